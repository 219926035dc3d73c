import type { Command } from "commander";
import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { describeFailure } from "../../src/cli/failure.ts";
import { buildProgram } from "../../src/cli/program.ts";

interface Parsed {
  readonly launched: boolean;
  readonly out: string;
  readonly err: string;
  readonly exitCode: number;
}

/** Parses a command line without running the command. */
async function parse(...args: string[]): Promise<Parsed> {
  let launched = false;
  let out = "";
  let err = "";
  const program = buildProgram(
    () => {
      launched = true;
      return Promise.resolve();
    },
    { writeOut: (text) => (out += text), writeErr: (text) => (err += text) },
  );
  try {
    await program.parseAsync(args, { from: "user" });
    return { launched, out, err, exitCode: 0 };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { launched, out, err, exitCode: describeFailure(error, { stopped: false }).exitCode };
  }
}

function flagsOf(command: Command, prefix = ""): string[] {
  const name = `${prefix}${command.name()}`;
  return [...command.options.map(({ flags, mandatory }) => `${name} ${flags}${mandatory ? " (required)" : ""}`), ...command.commands.flatMap((child) => flagsOf(child, `${name} `))];
}

const program = buildProgram(() => Promise.resolve(), { writeOut: () => undefined, writeErr: () => undefined });

test("the flags are frozen: a new knob belongs in the config's schema", () => {
  expect(flagsOf(program)).toMatchInlineSnapshot(`
    [
      "m2se -V, --version",
      "m2se --json",
      "m2se --log-level <level>",
      "m2se demo --config <file>",
      "m2se demo --set <path=value>",
      "m2se demo --backend <name>",
      "m2se demo --run-dir <folder>",
      "m2se demo --resume",
      "m2se data synth --out <folder> (required)",
      "m2se data synth --clips <n>",
      "m2se data synth --seed <n>",
      "m2se data build --root <folder> (required)",
      "m2se data build --out <folder> (required)",
      "m2se data build --media <folder>",
      "m2se data build --options <file>",
      "m2se data build --set <path=value>",
      "m2se data reasons --root <folder> (required)",
      "m2se data reasons --out <file> (required)",
      "m2se data reasons --endpoint <address> (required)",
      "m2se data reasons --model <name> (required)",
      "m2se data reasons --key-env <name>",
      "m2se data reasons --request <json>",
      "m2se data reasons --concurrency <n>",
      "m2se data reasons --per-minute <n>",
      "m2se data reasons --timeout <seconds>",
      "m2se data reasons --limit <n>",
      "m2se data reasons --price-in <price>",
      "m2se data reasons --price-out <price>",
      "m2se data reasons --max-cost <amount>",
      "m2se data reasons --dry-run",
      "m2se data export --root <folder> (required)",
      "m2se data export --out <folder> (required)",
      "m2se data export --form <form>",
      "m2se data export --task <tasks>",
      "m2se data export --media-prefix <text>",
      "m2se check --config <file> (required)",
      "m2se check --set <path=value>",
      "m2se check --backend <name>",
      "m2se check --media <how>",
      "m2se check --fix-out <folder>",
      "m2se config --config <file>",
      "m2se config --set <path=value>",
      "m2se config --backend <name>",
      "m2se config --explain <path>",
      "m2se plan --config <file> (required)",
      "m2se plan --set <path=value>",
      "m2se plan --backend <name>",
      "m2se plan --stage <stage>",
      "m2se prepare --config <file> (required)",
      "m2se prepare --set <path=value>",
      "m2se prepare --backend <name>",
      "m2se prepare --run-dir <folder>",
      "m2se prepare --shard <i/n>",
      "m2se train --config <file> (required)",
      "m2se train --set <path=value>",
      "m2se train --backend <name>",
      "m2se train --stage <stage> (required)",
      "m2se train --run-dir <folder>",
      "m2se train --resume",
      "m2se eval --run-dir <folder>",
      "m2se eval --checkpoint <folder>",
      "m2se eval --task <tasks> (required)",
      "m2se eval --split <split>",
      "m2se eval --decode <how>",
      "m2se eval --modalities <inputs>",
      "m2se eval --backend <name>",
      "m2se eval --limit <n>",
      "m2se predict --checkpoint <folder> (required)",
      "m2se predict --video <file> (required)",
      "m2se predict --text <words>",
      "m2se predict --task <tasks>",
      "m2se predict --backend <name>",
      "m2se export --checkpoint <folder> (required)",
      "m2se export --out <folder> (required)",
      "m2se export --format <format>",
      "m2se export --backend <name>",
      "m2se score --task <task> (required)",
      "m2se score --protocol <protocol> (required)",
      "m2se score --predictions <file> (required)",
      "m2se score --gold <file>",
      "m2se score --split <split>",
      "m2se score --slips",
      "m2se score --lenient",
      "m2se score --out <file>",
      "m2se score --submission <file>",
      "m2se score --swift <file>",
      "m2se doctor --backend <name>",
      "m2se doctor --probe <what>",
    ]
  `);
});

test("no flag carries a default that would beat the config file", () => {
  const commands = [program, ...program.commands, ...program.commands.flatMap((command) => command.commands)];
  const options = commands.flatMap((command) => command.options);

  expect(options.length).toBeGreaterThan(20);
  expect(options.filter(({ defaultValue }) => defaultValue !== undefined)).toEqual([]);
});

test.each([
  ["train --config a.yaml --stage all --resume --set a.b=1 --set c=d"],
  ["train --config a.yaml --stage 1 --json --log-level debug"],
  ["eval --run-dir r --task msa,mer --split val --decode score --modalities video,text --limit 3"],
  ["plan --config a.yaml"],
  ["prepare --config a.yaml"],
  ["prepare --config a.yaml --shard 12/12 --run-dir r --backend cpu --json"],
  ["data synth --out d --clips 12 --seed -1"],
  ["data build meld --root r --out d --media m --set media.maxSeconds=60 --set faces.threshold=1"],
  ["check --config c.yaml --media none --fix-out d"],
  ["data reasons --root d --out r.jsonl --endpoint http://localhost:8000/v1 --model m --per-minute 60 --price-in 0.15 --price-out 1 --max-cost 2.5 --dry-run"],
  ["data export --root r --out d --form messages --task erc,ecpe --media-prefix /clips/"],
  ["predict --checkpoint c --video v.mp4"],
  ["config --explain seed"],
  ["score --task mer --protocol official --predictions p.csv --gold g.csv --json"],
  ["demo"],
  ["demo --backend webgpu:swiftshader"],
  ["doctor"],
  ["doctor --json --backend webgpu"],
])("m2se %s is understood", async (line) => {
  expect(await parse(...line.split(" "))).toMatchObject({ launched: true, exitCode: 0, err: "" });
});

test.each([
  ["trian", "error: unknown command 'trian'\n(Did you mean train?)"],
  ["train --stage 1 --confg x", "error: required option '--config <file>' not specified"],
  ["plan --config a --stag 1", "error: unknown option '--stag'\n(Did you mean --stage?)"],
  ["plan --config a extra", "error: too many arguments for 'plan'. Expected 0 arguments but got 1."],
  ["plan --config a --backend cuda", `error: option '--backend <name>' argument 'cuda' is invalid. "cuda" is not one. Known: auto, onnxruntime, tensorflow, webgpu, cpu, webgpu:NAME.`],
  ["plan --config a --backend tensorflw", `error: option '--backend <name>' argument 'tensorflw' is invalid. "tensorflw" is not one. Known: auto, onnxruntime, tensorflow, webgpu, cpu, webgpu:NAME. Did you mean "tensorflow"?`],
  ["eval --run-dir r --task emo", `error: option '--task <tasks>' argument 'emo' is invalid. "emo" is not one. Known: msa, erc, fer, eri, ecpe, all. Did you mean "erc"?`],
  ["eval --run-dir r --task all --modalities sound", `error: option '--modalities <inputs>' argument 'sound' is invalid. "sound" is not one. Known: video, audio, text.`],
  ["eval --run-dir r --task all --limit 0", "error: option '--limit <n>' argument '0' is invalid. Expected a whole number above 0."],
  ["prepare", "error: required option '--config <file>' not specified"],
  ...["0/4", "5/4", "1", "a/b", "1/0", "1/2/3", "-1/2", "1.5/2", "1/ 2", "/", "", "1e0/2", "0x1/2", "1/9999999999"].map((text) => [
    ["prepare", "--config", "a", `--shard=${text}`],
    `error: option '--shard <i/n>' argument '${text}' is invalid. Expected i/n in whole numbers, i from 1 to n, e.g. 2/8.`,
  ] as const),
  ["data build melt --root r --out d", "error: command-argument value 'melt' is invalid for argument 'source'. Allowed choices are meld, ecf, mosei, emt."],
  ["score --task erc --predictions p", "error: required option '--protocol <protocol>' not specified"],
  ["score --task erc --protocol oficial --predictions p", "error: option '--protocol <protocol>' argument 'oficial' is invalid. Allowed choices are official, paper, paper-other, m2se."],
  ["data reasons --root d --out r --endpoint http://h --model m --timeout 301", "error: option '--timeout <seconds>' argument '301' is invalid. Expected whole seconds from 1 to 300."],
  ["data reasons --root d --out r --endpoint http://h --model m --price-in -1", "error: option '--price-in <price>' argument '-1' is invalid. Expected a number such as 0.15."],
  ["data reasons --root d --out r --model m", "error: required option '--endpoint <address>' not specified"],
  ["data synth --out d --seed 1.5", "error: option '--seed <n>' argument '1.5' is invalid. Expected a whole number."],
] as const)("m2se %s is a usage error", async (line, message) => {
  expect(await parse(...(typeof line === "string" ? line.split(" ") : line))).toEqual({ launched: false, out: "", err: `${message}\n(--help lists what there is)\n`, exitCode: 2 });
});

test("what doctor's child processes are asked is in no help", async () => {
  const { out } = await parse("doctor", "--help");

  expect(out).toContain("--backend <name>");
  expect(out).not.toContain("probe");
});

test("help and version are answers, no command at all is a mistake", async () => {
  expect(await parse("--help")).toMatchObject({ exitCode: 0, err: "", out: expect.stringContaining("Usage: m2se") });
  expect(await parse("train", "--help")).toMatchObject({ exitCode: 0, out: expect.stringContaining("--json") });
  expect(await parse("--version")).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  expect(await parse()).toMatchObject({ exitCode: 2, out: "", err: expect.stringContaining("Usage: m2se") });
  expect(await parse("data")).toMatchObject({ exitCode: 2, err: expect.stringContaining("synth") });
});
