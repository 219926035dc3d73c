import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EXPORT_TASKS, exportDataset } from "../../../src/data/emt/export.ts";
import { temporaryFolder } from "../../temporary-folder.ts";
import { convert, rawFiles } from "../converters/converted.ts";

const ROWS = [
  { query: "The person says: 'Hé \"you\"' <emotion> Please determine which emotion label in the video represents: anger, sadness, surprise, disgust, joy, neutral or fear.", response: "Surprise.", videos: ["MELD/test/dia0_utt0.mp4"] },
  { query: "The person says: 'No.' <emotion> Please determine which emotion label in the video represents: anger, sadness, surprise, disgust, joy, neutral or fear.", response: "Anger.", videos: ["MELD/test/dia0_utt1.mp4"] },
];

async function dataset(): Promise<string> {
  const root = await rawFiles({ "emt_test.json": JSON.stringify(ROWS, undefined, 4), "MELD/test/dia0_utt0.mp4": "x", "MELD/test/dia0_utt1.mp4": "x" });
  return (await convert("emt", root, ["media.probe=none"])).out;
}

test("the paper's rows come back byte for byte, as Python writes them", async () => {
  const out = join(await temporaryFolder(), "rows");

  const files = await exportDataset({ root: await dataset(), out, form: "paper", tasks: EXPORT_TASKS, mediaPrefix: "" });

  expect(files).toEqual({ "erc_test.json": 2 });
  expect(await readdir(out)).toEqual(["erc_test.json"]);
  expect(await readFile(join(out, "erc_test.json"), "utf8")).toBe(JSON.stringify(ROWS, undefined, 4));
});

test("messages have one tag per medium and paths that lead there from anywhere", async () => {
  const out = join(await temporaryFolder(), "rows");
  const root = await dataset();

  await exportDataset({ root, out, form: "messages", tasks: ["erc"] });

  const [first] = (await readFile(join(out, "erc_test.jsonl"), "utf8")).split("\n").map((line) => JSON.parse(line === "" ? "{}" : line) as Readonly<Record<string, unknown>>);
  expect(first).toEqual({ messages: [{ role: "user", content: `<video>${ROWS[0]?.query ?? ""}` }, { role: "assistant", content: "Surprise." }], videos: [expect.stringMatching(/^\/.*\/MELD\/test\/dia0_utt0\.mp4$/)] });
  expect(await readFile(String((first?.["videos"] as readonly string[] | undefined)?.[0]), "utf8")).toBe("x");
});

test("an export is read back as the records it was made of", async () => {
  const out = join(await temporaryFolder(), "rows");
  const root = await dataset();
  await exportDataset({ root, out, form: "messages", tasks: EXPORT_TASKS, mediaPrefix: "" });

  const again = await convert("emt", out, ["media.probe=none"]);

  expect(again.records.map(({ utterances }) => utterances.map(({ text, emotion }) => [text, emotion]))).toEqual([[['Hé "you"', "surprise"]], [["No.", "anger"]]]);
  expect(again.notices).toEqual([expect.stringContaining("no-clips MELD: no such folder")]);
});

test("a dataset without such rows and a folder that is not empty are refused", async () => {
  const root = await dataset();

  await expect(exportDataset({ root, out: join(root, "x"), form: "paper", tasks: ["eri"] })).rejects.toThrow(`DataError ${root}: no rows of eri here.`);
  await expect(exportDataset({ root: join(root, "nowhere"), out: join(root, "x"), form: "paper", tasks: ["erc"] })).rejects.toThrow("nowhere: the dataset's root does not exist.");
  await expect(exportDataset({ root, out: root, form: "paper", tasks: ["erc"] })).rejects.toThrow(`DataError ${root}: --out is not empty.`);
  expect((await readdir(root)).filter((name) => name.includes("tmp"))).toEqual([]);
});
