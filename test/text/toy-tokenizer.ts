/** @file Small tokenizers trained on the spot. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { trainTokenizer } from "../../src/text/bpe-trainer.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const TEXTS = [
  "The person says: 'I am so happy to see you!' <emotion> Please determine which emotion label in the video represents.",
  "The person says: 'I can't wait until 2024' <sentiment> positive or negative. system user assistant Frame1: Audio: emotion emotion happy happy",
];

/** A tokenizer with a few merges; `controls` are added to its vocabulary, `bos` is put in front of every sequence. */
export async function toyTokenizer({ controls = [], bos }: { controls?: readonly string[]; bos?: string } = {}): Promise<Tokenizer> {
  const files = trainTokenizer(TEXTS, 320);
  const definition = z.looseObject({ added_tokens: z.array(z.looseObject({ id: z.number() })) }).parse(files["tokenizer.json"]);
  const first = 1 + Math.max(...definition.added_tokens.map(({ id }) => id));
  const added = [...controls, ...(bos === undefined ? [] : [bos])].map((content, i) => ({
    id: first + i, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true,
  }));
  const processor = bos === undefined ? {} : {
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: bos, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 0 } }],
      special_tokens: { [bos]: { id: bos, ids: [added.at(-1)?.id], tokens: [bos] } },
    },
  };
  const folder = await writeTokenizer({ ...definition, added_tokens: [...definition.added_tokens, ...added], ...processor }, files["tokenizer_config.json"]);
  return loadTokenizer(folder);
}

/** A folder with the two files, removed when the test ends. */
export async function writeTokenizer(definition: object, config: object): Promise<string> {
  const folder = join(await temporaryFolder(), "model");
  await mkdir(folder);
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(definition));
  await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(config));
  return folder;
}
