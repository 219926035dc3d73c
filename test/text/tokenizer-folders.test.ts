import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { z } from "zod";
import { trainTokenizer } from "../../src/text/bpe-trainer.ts";
import { answerPieces, beforeAnswer, beforeUser, chatTemplate } from "../../src/text/chat-template.ts";
import { encodePieces, text } from "../../src/text/pieces.ts";
import { loadTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { writeTokenizer } from "./toy-tokenizer.ts";

/** Ids after the 520 pieces of the test models. */
const PHI3_CONTROLS = ["<|endoftext|>", "<|system|>", "<|end|>", "<|user|>", "<|assistant|>", "<img>", "</img>", "<IMG_CONTEXT>"];

test("InternLM2's folder: <s> in front, no dummy space, control tokens from tokenizer_config.json", async () => {
  const controls = ["<|im_start|>", "<|im_end|>", "<img>"];
  const tokenizer = await loadFolder("bpe-plain", { "tokenizer_config.json": { tokenizer_class: "InternLM2Tokenizer", bos_token: "<s>", eos_token: "</s>", added_tokens_decoder: decoderTable(["<unk>", "<s>", "</s>"], 0, controls, 520) } });

  const ids = [...tokenizer.encode("<|im_start|>user\nHi<|im_end|>")];

  expect(tokenizer.vocabSize).toBe(523);
  expect(tokenizer.startIds).toEqual([1]);
  expect(tokenizer.controlTokens).toEqual(["<unk>", "<s>", "</s>", ...controls]);
  expect([ids[0], ids.at(-1)]).toEqual([520, 521]);
  expect(tokenizer.decode(ids)).toBe("<|im_start|>user\nHi<|im_end|>");
  expect(tokenizer.decode(ids.slice(1, -1))).toBe("user\nHi");
  expect([...tokenizer.encode("user\nHi")]).toEqual(ids.slice(1, -1));
});

test("Llama's old way puts a dummy space after every control token, the new way only where the sequence starts, and text that goes on has none", async () => {
  const added = { "<|user|>": 520, "<|end|>": 521 };
  const config = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>", additional_special_tokens: ["<|user|>", "<|end|>"] };
  const [legacy, modern] = await Promise.all([undefined, false].map((kind) => loadFolder("bpe-dummy", { "tokenizer_config.json": { ...config, legacy: kind }, "added_tokens.json": added })));
  const spaced = [...legacy!.encode("emotion")];
  const bare = [...legacy!.encode("emotion", "text")];
  expect(spaced).not.toEqual(bare);

  expect([...legacy!.encode("<|user|>emotion")]).toEqual([520, ...spaced]);
  expect([...modern!.encode("<|user|>emotion")]).toEqual([520, ...bare]);
  expect([...legacy!.encode("emotion", "control")]).toEqual(spaced);
  expect([...modern!.encode("emotion", "control")]).toEqual(bare);
  expect([...modern!.encode("emotion")]).toEqual(spaced);
  for (const tokenizer of [legacy!, modern!]) {
    expect(tokenizer.decode(tokenizer.encode("<|user|>emotion<|end|>sad"))).toBe("<|user|>emotion<|end|>sad");
    expect(tokenizer.decode([])).toBe("");
    expect(tokenizer.controlTokens).toEqual(["<unk>", "<s>", "</s>", "<|user|>", "<|end|>"]);
  }
});

test("Phi-3's control tokens take the newline behind them, in a prompt cut in parts as in the whole string", async () => {
  const flags = { rstrip: true };
  const tokenizer = await loadFolder("bpe-dummy", { "tokenizer_config.json": { tokenizer_class: "LlamaTokenizer", legacy: false, add_bos_token: true, bos_token: "<s>", added_tokens_decoder: decoderTable(["<unk>", "<s>"], 0, PHI3_CONTROLS, 520, flags) } });
  const template = chatTemplate("phi3-chat");
  const parts = [
    encodePieces([...beforeUser(template, "You are happy."), text("The person says")], tokenizer, "start").ids,
    encodePieces([text(": 'see you'"), ...beforeAnswer(template)], tokenizer, "text").ids,
    encodePieces(answerPieces(template, "joy"), tokenizer, "text").ids,
  ];

  const whole = [...tokenizer.encode("<|system|>\nYou are happy.<|end|><|user|>\nThe person says: 'see you'<|end|><|assistant|>\njoy<|end|>")];

  expect(parts.flat()).toEqual(whole);
  expect(tokenizer.decode(whole)).toBe("<|system|>You are happy.<|end|><|user|>The person says: 'see you'<|end|><|assistant|>joy<|end|>");
});

test("the longest added token wins, and one for whole words is none inside a word", async () => {
  const table = { 520: { content: "<a>" }, 521: { content: "<a><b>", lstrip: true }, 522: { content: "joy", single_word: true } };
  const tokenizer = await loadFolder("bpe-plain", { "tokenizer_config.json": { added_tokens_decoder: table } });

  const addedIn = (value: string): number[] => [...tokenizer.encode(value)].filter((id) => id >= 520);

  expect(addedIn("x <a><b>y<a>")).toEqual([521, 520]);
  expect(tokenizer.decode(tokenizer.encode("x <a><b>y"))).toBe("x<a><b>y");
  expect([addedIn("my joy is"), addedIn("enjoy"), addedIn("joyful")]).toEqual([[522], [], []]);
  expect(tokenizer.startIds).toEqual([]);
});

test("a damaged tokenizer.model and a malformed tokenizer_config.json are refused with the file's name", async () => {
  const folder = await folderWith("bpe-plain", { "tokenizer_config.json": { bos_token: 5 } });
  await expect(loadTokenizer(folder)).rejects.toThrow(/^CheckpointError .*tokenizer_config\.json: bos_token: /);
  await writeFile(join(folder, "tokenizer.model"), "no model");
  await expect(loadTokenizer(folder)).rejects.toThrow(/^CheckpointError .*tokenizer\.model: not a SentencePiece model: .*\.\n {2}Download it again/);
});

test("an unknown token names tokenizer.model", async () => {
  const tokenizer = await loadFolder("bpe-plain", { "tokenizer_config.json": {} });

  expect(() => tokenizer.idOf("<|im_end|>")).toThrow(/tokenizer\.model: no token "<\|im_end\|>" in the vocabulary/);
});

test("vocab.json with merges.txt is the same tokenizer as the tokenizer.json made of them", async () => {
  const { folder, definition } = await byteLevelFolder("Qwen2Tokenizer");
  const [apart, together] = await Promise.all([loadTokenizer(folder), loadTokenizer(await writeTokenizer(definition, {}))]);
  const texts = ["I can't wait until 2024!", "<|im_start|>user\n你好<|im_end|>", "  a  b\r\n\n", "Ünïcödé 👩‍👩‍👧"];

  for (const value of texts) expect([...apart.encode(value)]).toEqual([...together.encode(value)]);
  expect(apart.vocabSize).toBe(together.vocabSize);
  expect(apart.controlTokens).toEqual(together.controlTokens);
});

test("vocab.json of another family and a malformed merge are refused", async () => {
  const { folder } = await byteLevelFolder("GPT2Tokenizer");
  await expect(loadTokenizer(folder)).rejects.toThrow('vocab.json: cannot be read for tokenizer_class "GPT2Tokenizer", only for Qwen2Tokenizer');

  const { folder: broken } = await byteLevelFolder("Qwen2Tokenizer");
  await writeFile(join(broken, "merges.txt"), "#version: 0.2\na b\nabc\n");
  await expect(loadTokenizer(broken)).rejects.toThrow('merges.txt:3: Got "abc", expected two tokens with a space between them');
});

test("the published tokenizer.json of Qwen2, with its case-insensitive group, cuts words as ours does", async () => {
  const { definition } = await byteLevelFolder("Qwen2Tokenizer");
  const ours = await loadTokenizer(await writeTokenizer(definition, {}));
  const spelled = JSON.stringify(definition).replace("'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]", "(?i:'s|'t|'re|'ve|'m|'ll|'d)");
  expect(spelled).toContain("(?i:");
  const published = await loadTokenizer(await writeTokenizer(JSON.parse(spelled) as object, {}));

  for (const value of ["I'm I'M we'Ve don't", "it's 'sad'"]) expect([...published.encode(value)]).toEqual([...ours.encode(value)]);
});

function decoderTable(vocabulary: readonly string[], first: number, controls: readonly string[], firstControl: number, flags: object = {}): Record<string, object> {
  const own = vocabulary.map((content, i) => [String(first + i), { content, special: true }] as const);
  return Object.fromEntries([...own, ...controls.map((content, i) => [String(firstControl + i), { content, special: true, ...flags }] as const)]);
}

async function loadFolder(model: string, files: Readonly<Record<string, object>>): Promise<Tokenizer> {
  return loadTokenizer(await folderWith(model, files));
}

async function folderWith(model: string, files: Readonly<Record<string, object>>): Promise<string> {
  const folder = join(await temporaryFolder(), "model");
  await mkdir(folder);
  await copyFile(fileURLToPath(new URL(`sentencepiece-vectors/${model}.model`, import.meta.url)), join(folder, "tokenizer.model"));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), JSON.stringify(content));
  return folder;
}

/** A small vocabulary as vocab.json, merges.txt and added_tokens.json, and as one tokenizer.json. */
async function byteLevelFolder(kind: string): Promise<{ folder: string; definition: object }> {
  const definition = z
    .looseObject({ model: z.looseObject({ vocab: z.record(z.string(), z.number()), merges: z.array(z.tuple([z.string(), z.string()])) }), added_tokens: z.array(z.looseObject({ content: z.string(), id: z.number() })) })
    .parse(trainTokenizer(["The person can't say what emotion he'll show; emotion emotion person person"], 300)["tokenizer.json"]);
  const { model, added_tokens: added } = definition;
  const folder = join(await temporaryFolder(), "model");
  await mkdir(folder);
  await writeFile(join(folder, "vocab.json"), JSON.stringify(model.vocab));
  await writeFile(join(folder, "merges.txt"), ["#version: 0.2", ...model.merges.map((pair) => pair.join(" ")), ""].join("\n"));
  await writeFile(join(folder, "added_tokens.json"), JSON.stringify(Object.fromEntries(added.map(({ content, id }) => [content, id]))));
  await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify({ tokenizer_class: kind, additional_special_tokens: added.map(({ content }) => content) }));
  return { folder, definition };
}
