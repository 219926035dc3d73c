import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { toyTokenizer, writeTokenizer } from "./toy-tokenizer.ts";

test("decoding gives back the text, emoji, CJK, odd spaces and control tokens included", async () => {
  const tokenizer = await toyTokenizer();
  const texts = [
    "I'm happy <emotion> 2024!", "你好，世界", "👩‍👩‍👧 🥲", "  a  b\t c\r\n\n d ", "Ünïcödé", "\u0000", "<|im_start|>user\n<img><IMG_CONTEXT></img>", "Русский עברית العربية",
  ];

  for (const text of texts) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
});

test("no text gives no ids, and no ids give no text", async () => {
  const tokenizer = await toyTokenizer();

  expect(tokenizer.encode("")).toEqual(new Int32Array(0));
  expect(tokenizer.decode([])).toBe("");
});

test("a digit is a token of its own and a control token is one id", async () => {
  const tokenizer = await toyTokenizer();

  expect([...tokenizer.encode("2024")].map((id) => tokenizer.decode([id]))).toEqual(["2", "0", "2", "4"]);
  expect([...tokenizer.encode("<|im_end|>")]).toEqual([tokenizer.idOf("<|im_end|>")]);
  expect(tokenizer.vocabSize).toBe(tokenizer.idOf("<AUDIO_CONTEXT>") + 1);
});

test("ids cut inside a character decode to the replacement character, not to an error", async () => {
  const tokenizer = await toyTokenizer();
  const ids = tokenizer.encode("😀");

  expect(ids.length).toBeGreaterThan(1);
  expect(tokenizer.decode(ids.subarray(0, 1))).toContain("\uFFFD");
});

test("the tokens in front of every sequence are known: <s> when the post-processor adds it, else none", async () => {
  const plain = await toyTokenizer();
  const withBos = await toyTokenizer({ bos: "<s>" });

  expect(plain.startIds).toEqual([]);
  expect(withBos.startIds).toEqual([withBos.idOf("<s>")]);
  expect([...withBos.encode("a")]).toEqual([...plain.encode("a")]);
});

test("an unknown token names the file and what to do", async () => {
  const tokenizer = await toyTokenizer();

  expect(() => tokenizer.idOf("<video>")).toThrow(/^CheckpointError .*tokenizer\.json: no token "<video>" in the vocabulary\.\n {2}Add it to added_tokens/);
});

test("a folder without any vocabulary says what was looked for", async () => {
  const folder = await temporaryFolder();

  await expect(loadTokenizer(folder)).rejects.toThrow(`CheckpointError ${folder}: no tokenizer.\n  Expected tokenizer.json, tokenizer.model or vocab.json with merges.txt`);
});

test("a folder without tokenizer_config.json, broken JSON, a list and an empty object are refused with the file's name", async () => {
  const folder = join(await temporaryFolder(), "model");
  await mkdir(folder);
  const write = (name: string, content: string): Promise<void> => writeFile(join(folder, name), content);

  await write("tokenizer.json", "{");
  await expect(loadTokenizer(folder)).rejects.toThrow(/^CheckpointError .*tokenizer\.json: not valid JSON/);
  await write("tokenizer.json", "[]");
  await expect(loadTokenizer(folder)).rejects.toThrow(/^CheckpointError .*tokenizer\.json: not a JSON object\./);
  await write("tokenizer.json", "{}");
  await expect(loadTokenizer(folder)).rejects.toThrow(/^CheckpointError .*tokenizer_config\.json: no such file or folder\.\n {2}It lies beside/);
  await expect(loadTokenizer(await writeTokenizer({}, {}))).rejects.toThrow(/^CheckpointError .*tokenizer\.json: cannot be used as a tokenizer: /);
});
