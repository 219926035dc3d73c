import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { inflateRawSync } from "node:zlib";
import { expect, test } from "vitest";
import { zipFiles } from "../../src/scoring/zip.ts";
import { vectorFileTest } from "../metrics/official-vectors.ts";
import { events, filesOf, jsonl, report } from "./support.ts";

const GOLD = [
  {
    conversation_ID: 1,
    conversation: [
      { utterance_ID: 1, text: "I don’t know", speaker: "Joey", emotion: "joy", video_name: "dia1utt1.mp4" },
      { utterance_ID: 2, text: "Oh", speaker: "Ross", emotion: "neutral", video_name: "dia1utt2.mp4" },
    ],
    "emotion-cause_pairs": [["1_joy", "1"]],
  },
  { conversation_ID: 2, conversation: [{ utterance_ID: 1, text: "No", speaker: "Joey", emotion: "anger" }], "emotion-cause_pairs": [["1_anger", "1"]] },
];

/** The only file of an archive, by its local header. */
function unzip(zip: Buffer): { readonly name: string; readonly text: string } {
  const [nameLength, compressed] = [zip.readUInt16LE(26), zip.readUInt32LE(18)];
  return { name: zip.subarray(30, 30 + nameLength).toString(), text: inflateRawSync(zip.subarray(30 + nameLength, 30 + nameLength + compressed)).toString() };
}

test("a submission holds the organisers' conversations without labels, our pairs once, in ASCII, also from an unlabelled file", async () => {
  const unlabelled = GOLD.map(({ conversation_ID, conversation }) => ({ conversation_ID, conversation: conversation.map(({ emotion: _, ...rest }) => rest) }));
  const files = await filesOf({ "p.jsonl": jsonl({ id: "dia1_utt1:ecpe", task: "ecpe", response: "1_joy,1;1_joy,2;1_joy,1" }), "g.json": JSON.stringify(GOLD), "u.json": JSON.stringify(unlabelled) });
  const folder = dirname(files["p.jsonl"]);
  const options = { task: "ecpe", protocol: "official", predictions: files["p.jsonl"] } as const;

  const [labelled] = await events({ ...options, gold: files["g.json"], submission: join(folder, "a.zip"), lenient: true });
  const fromUnlabelled = await events({ ...options, gold: files["u.json"], submission: join(folder, "b.zip") });

  expect(labelled).toEqual({ kind: "submission", path: join(folder, "a.zip"), conversations: 2, pairs: 2, empty: 1 });
  expect(fromUnlabelled.map(({ kind }) => kind)).toEqual(["submission"]);
  const { name, text } = unzip(await readFile(join(folder, "a.zip")));
  expect(name).toBe("Subtask_2_pred.json");
  expect(text).toContain('"text": "I don\\u2019t know"');
  expect(JSON.parse(text)).toEqual([{ ...unlabelled[0], "emotion-cause_pairs": [["1_joy", "1"], ["1_joy", "2"]] }, { ...unlabelled[1], "emotion-cause_pairs": [] }]);
  expect(await readFile(join(folder, "b.zip"))).toEqual(await readFile(join(folder, "a.zip")));
});

test("a submission needs conversations and the task of pairs", async () => {
  const files = await filesOf({ "p.jsonl": jsonl({ id: "dia1_utt1:ecpe", task: "ecpe", gold: "1_joy,1", response: "1_joy,1" }) });

  await expect(events({ task: "ecpe", protocol: "official", predictions: files["p.jsonl"], submission: "x.zip" })).rejects.toThrow("is no file of conversations (m2se predictions).\n  Name the organisers' JSON file as --gold");
  await expect(events({ task: "erc", protocol: "official", predictions: files["p.jsonl"], submission: "x.zip" })).rejects.toThrow("ConfigError --submission: got --task erc, expected ecpe");
});

test("the archive is one that unzip programs read", async (context) => {
  const { path } = await filesOf({ path: "" });
  const { writeFile } = await import("node:fs/promises");
  await writeFile(path, zipFiles([{ name: "a.json", content: Buffer.from("[1]".repeat(1000)) }, { name: "b.json", content: Buffer.from("") }]));
  const program = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), [(i.filename, i.file_size) for i in z.infolist()])";

  const listing = await promisify(execFile)("python3", ["-c", program, path]).catch((error: unknown) => error);

  context.skip(listing instanceof Error && "code" in listing && listing.code === "ENOENT", "no python3 on this machine to check the archive with");
  expect(listing).toMatchObject({ stdout: "None [('a.json', 3000), ('b.json', 0)]\n" });
});

test("rows for compute_result.py: the paper's forms; what would end the script is a wrong answer of the right form", async () => {
  const files = await filesOf({
    "pairs.jsonl": jsonl(
      { id: "dia1_utt3:ecpe", task: "ecpe", gold: "3_joy,1", response: "3_joy,1" },
      { id: "dia1_utt4:ecpe", task: "ecpe", gold: "4_joy,1", response: "None." },
      { id: "dia1_utt5:ecpe", task: "ecpe", gold: "None.", response: "None." },
    ),
    "labels.jsonl": jsonl({ id: "a:erc", task: "erc", gold: "Joy.", response: "joy" }, { id: "b:erc", task: "erc", gold: "Fear.", response: "hm" }),
  });
  const folder = dirname(files["pairs.jsonl"]);
  const [pairs] = await events({ task: "ecpe", protocol: "paper", predictions: files["pairs.jsonl"], swift: join(folder, "p") });
  const [labels] = await events({ task: "erc", protocol: "paper", predictions: files["labels.jsonl"], swift: join(folder, "l") });
  const rows = async (name: string): Promise<unknown> => (await readFile(join(folder, name), "utf8")).trim().split("\n").map((line) => (({ label, response, images }) => [label, response, images])(JSON.parse(line) as { label: string; response: string; images: string[] }));

  expect([pairs, labels]).toMatchObject([{ kind: "swift-rows", rows: 3, replaced: 1 }, { rows: 2, replaced: 1 }]);
  expect(await rows("p")).toEqual([["3_joy,1", "3_joy,1", ["dia1_utt3"]], ["4_joy,1", "4_joy,0", ["dia1_utt4"]], ["", "", ["dia1_utt5"]]]);
  expect(await rows("l")).toEqual([["Joy.", "Joy.", ["a"]], ["Fear.", "Neutral.", ["b"]]]);
});

test("the scores file is the report, protocol and all", async () => {
  const files = await filesOf({ "p.csv": "y_true,y_pred\njoy,joy\nfear,joy\n" });
  const out = join(dirname(files["p.csv"]), "s.json");
  const options = { task: "erc", protocol: "official", predictions: files["p.csv"], out } as const;

  const written = await report(options);

  expect(JSON.parse(await readFile(out, "utf8"))).toEqual(written);
  expect(written).toMatchObject({ task: "erc", protocol: "official", slips: false, metrics: { accuracy: 0.5 }, bootstrap: { resamples: 1000, seed: 1 } });
});

vectorFileTest("the real submission becomes a zip that gets the same scores", ["metrics/ecac_subtask2_pred_A.json", "ecf/Subtask_2_test.json"], async ([predictions = "", gold = ""]) => {
  const files = await filesOf({ "again.json": "" });
  const zip = `${files["again.json"]}.zip`;
  const all = await events({ task: "ecpe", protocol: "official", predictions, gold, submission: zip });
  const { text } = unzip(await readFile(zip));
  const again = await filesOf({ "again.json": text });

  const before = all.find((event) => event.kind === "score");
  const after = await report({ task: "ecpe", protocol: "official", predictions: again["again.json"], gold });

  expect(all[0]).toMatchObject({ kind: "submission", conversations: 341, empty: 0 });
  expect(after.metrics).toEqual(before?.report.metrics);
  expect(after.alignment.superfluous.count).toBe(0);
});
