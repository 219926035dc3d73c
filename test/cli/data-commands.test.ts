import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCheck } from "../../src/cli/commands/check.ts";
import { runDataBuild } from "../../src/cli/commands/data-build.ts";
import { runDataExport } from "../../src/cli/commands/data-export.ts";
import type { CheckEvent, CheckReport } from "../../src/app/index.ts";
import { loadBuildOptions } from "../../src/data/build/options.ts";
import type { BuildReport } from "../../src/data/build/report.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { fakeContext, stream } from "./fake-context.ts";

async function buildReport(): Promise<BuildReport> {
  const counts = { records: 114, utterances: 1109, pairs: 0, emotion: { joy: 163, neutral: 470 }, sentiment: { positive: 233 }, expression: 0, reason: {}, status: { "no-clips": 1109 }, withClip: 0 };
  return {
    source: "meld",
    root: "/r",
    mediaRoot: "/r",
    options: await loadBuildOptions(),
    inputs: { "/r/dev_sent_emo.csv": { read: 1110, refused: 1 } },
    splits: { val: counts },
    notices: { "bad-row": { severity: "fault", count: 1, examples: [{ where: "/r/dev_sent_emo.csv:9", what: "got 2 cells" }] }, "no-clips": { severity: "info", count: 1, examples: [] } },
  };
}

test("data build hands on its flags and prints what was read, written and noticed", async () => {
  const folder = await temporaryFolder();
  const report = await buildReport();
  const { context, calls, human, json, progress } = fakeContext(folder, {
    buildRun: ({ onProgress }) => {
      onProgress?.({ records: 7 });
      return Promise.resolve(report);
    },
  });

  await runDataBuild("meld", { root: "raw", out: "o", media: "/clips", set: ["media.probe=none"] }, context);

  expect(calls[0]?.[1]).toMatchObject({ source: "meld", root: join(folder, "raw"), out: join(folder, "o"), mediaRoot: "/clips", set: ["media.probe=none"] });
  expect(progress).toEqual(["7 records"]);
  expect(human[0]).toContain("/r/dev_sent_emo.csv: 1,110 read, 1,109 converted, 1 refused");
  expect(human[0]).toMatch(/emotion joy +163\n/);
  expect(human[0]).toContain("Every record is text only.");
  expect(human[0]).toContain("  val, emotion anger: 0, published 153\n");
  expect(human[0]).toMatch(/fault {2}bad-row +1 {2}\/r\/dev_sent_emo\.csv:9: got 2 cells\n/);
  expect(human[0]).toContain("All of them, a line each: o/build-notices.jsonl");
  expect(json).toEqual([{ kind: "build", out: join(folder, "o"), ...report }]);
});

test("data export prints the rows of every file", async () => {
  const { context, calls, human } = fakeContext("/w", { exportRun: () => Promise.resolve({ "erc_test.json": 2610 }) });

  await runDataExport({ root: "d", out: "o" }, context);

  expect(calls[0]?.[1]).toMatchObject({ root: "/w/d", out: "/w/o", form: "paper", tasks: ["msa", "erc", "fer", "eri", "ecpe"] });
  expect(human).toEqual(["file            rows\n-------------  -----\nerc_test.json  2,610"]);
});

const CONFIG = `name: c
data: { root: records }
model: { folder: model }
stages: [{ name: one, mixture: { msa: 1 }, trainable: [{ match: ".*", learningRate: 1 }] }]
`;

const REPORT: CheckReport = {
  root: "/r",
  splits: { train: { records: 2, utterances: 3, withVideo: 3, withAudio: 0, tasks: { msa: { samples: 3, mean: 70.4, median: 64, p95: 128, longest: 128, histogram: { 64: 2, 128: 1 }, supervisedTokens: 9 } }, heaviest: { where: "/r/train.jsonl:2", id: "b", tokens: 200, supervised: 6 } } },
  clips: 3,
  seconds: 0.01,
  findings: {},
  stages: [{ stage: "one", tokens: 1000, teraflops: 360, memory: { weights: 1, gradients: 1, moments: 1, activations: { intermediates: 1, inputs: 1 }, clips: 1, place: "host", spare: 0, peak: 255, least: 196, most: 332 } }],
};

async function check(report: CheckReport, ...events: readonly CheckEvent[]): Promise<{ readonly fake: ReturnType<typeof fakeContext>; readonly failure: unknown }> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "c.yaml"), CONFIG);
  const fake = fakeContext(folder, { checkRun: () => stream<CheckEvent>(...events, { type: "report", report }) });
  const failure: unknown = await runCheck({ config: "c.yaml", fixOut: "fixed" }, fake.context).catch((error: unknown) => error);
  return { fake, failure };
}

test("check prints splits, lengths, the heaviest record and the needs, and ends well when nothing is bad", async () => {
  const { fake, failure } = await check(REPORT, { type: "progress", records: 200, clips: 7 });

  expect(failure).toBeUndefined();
  expect(fake.progress).toEqual(["200 records, 7 clips"]);
  expect(fake.human[0]).toMatch(/train +msa +3 +70 +64 +128 +128 {2}<=64: 2 {2}<=128: 1\n/);
  expect(fake.human[0]).toContain("heaviest train record: b, 200 tokens, 6 supervised (/r/train.jsonl:2)");
  expect(fake.human[0]).toContain("360 TFLOP (1h 00m at 100 GFLOP/s)");
  expect(fake.human[0]).toContain("Nothing bad or odd was found.");
  expect(fake.human[0]).toContain("3 clips looked at; 0.0 s, 300 clips/s");
  expect(fake.calls[0]?.[1]).toMatchObject({ fixOut: expect.stringMatching(/\/fixed$/) });
});

test("check ends with the exit code of bad data, after every finding went to --json", async () => {
  const findings = { "no-file": { severity: "bad", count: 2, examples: [{ where: "/r/train.jsonl:1", what: "u: x.mp4: no such file" }] }, duplicate: { severity: "odd", count: 1, examples: [] } } as const;
  const fixed = { out: "/fixed", records: 1, leftOut: 1, changed: 0 };

  const { fake, failure } = await check({ ...REPORT, findings, fixed }, { type: "finding", kind: "no-file", where: "/r/train.jsonl:1", what: "u: x.mp4: no such file" });

  expect(failure).toMatchObject({ exitCode: 3, message: expect.stringMatching(/^DataError .*records: 2 bad findings in the dataset, listed above by kind \(--json lists every one\)\.\n {2}The dataset without them is in \/fixed: set data\.root to it\.$/) });
  expect(fake.human[0]).toContain("bad: 2 no-file\n  /r/train.jsonl:1: u: x.mp4: no such file\n  and 1 more\nodd: 1 duplicate");
  expect(fake.human[0]).toContain("/fixed: 1 records written, 0 of them changed, 1 left out");
  expect(fake.json[0]).toEqual({ kind: "finding", finding: "no-file", where: "/r/train.jsonl:1", what: "u: x.mp4: no such file" });
});

test("odd findings alone end well", async () => {
  expect((await check({ ...REPORT, findings: { duplicate: { severity: "odd", count: 1, examples: [] } } })).failure).toBeUndefined();
});
