import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { parseSentencePieceModel } from "../../src/text/sentencepiece/model.ts";
import { sentencePieceProcessor } from "../../src/text/sentencepiece/processor.ts";

const vectorSchema = z.array(z.object({ text: z.string(), ids: z.array(z.number()), decoded: z.string() }));
const VECTORS = z.looseObject({ "bpe-plain": vectorSchema, "bpe-dummy": vectorSchema, "unigram-rules": vectorSchema, "unigram-bytes": vectorSchema }).parse(JSON.parse(readFileSync(path("vectors.json"), "utf8")));

/** Models that SentencePiece itself trained, and what it makes of the texts; see README.md beside them. */
describe.each(["bpe-plain", "bpe-dummy", "unigram-rules", "unigram-bytes"] as const)("%s", (name) => {
  const processor = sentencePieceProcessor(parseSentencePieceModel(readFileSync(path(`${name}.model`))));

  test("gives SentencePiece's own ids and decodes them to its text", () => {
    const vectors = VECTORS[name];
    expect(vectors.length).toBeGreaterThan(30);

    const ours = vectors.map(({ text, ids }) => ({ text, ids: processor.encode(text, "add"), decoded: processor.decode(ids, "add") }));

    expect(ours).toEqual(vectors);
  });
});

test("without the dummy space a text goes on where another ended, and decoding keeps a leading space", () => {
  const processor = sentencePieceProcessor(parseSentencePieceModel(readFileSync(path("bpe-dummy.model"))));

  const [alone, going] = [processor.encode("emotion", "add"), processor.encode("emotion", "omit")];

  expect(alone).not.toEqual(going);
  expect(processor.encode(" emotion", "omit")).toEqual(alone);
  expect([processor.decode(alone, "add"), processor.decode(alone, "omit"), processor.decode(going, "omit")]).toEqual(["emotion", " emotion", "emotion"]);
});

test("a damaged model is refused with what is wrong, never read past its end", () => {
  const bytes = readFileSync(path("bpe-plain.model"));
  const outcomes = new Set<string>();
  for (let length = 0; length < bytes.length; length += 37) {
    try {
      parseSentencePieceModel(bytes.subarray(0, length));
      outcomes.add("read");
    } catch (error) {
      outcomes.add(error instanceof Error ? error.message.replace(/\d+/g, "N") : "");
    }
  }

  expect(outcomes).toContain("it holds no pieces");
  expect(outcomes).toContain("a field of N bytes at byte N, the message has N left");
  expect(() => parseSentencePieceModel(Uint8Array.of(0x0b))).toThrow("wire type 3");
  expect(() => parseSentencePieceModel(Uint8Array.of(0x0a, 0x80))).toThrow("the file ends inside a number");
});

test("models of words or characters and pieces of an unknown kind are refused", () => {
  const piece = [0x0a, 0x05, 0x0a, 0x01, 0x61, 0x18, 0x02]; // "a", kind 2: unknown
  expect(parseSentencePieceModel(Uint8Array.from(piece)).algorithm).toBe("unigram");
  expect(() => parseSentencePieceModel(Uint8Array.from([...piece, 0x12, 0x02, 0x18, 0x03]))).toThrow("its model type is 3, only unigram (1) and bpe (2) are read");
  expect(() => parseSentencePieceModel(Uint8Array.of(0x0a, 0x05, 0x0a, 0x01, 0x61, 0x18, 0x07))).toThrow("piece 0 is of kind 7, expected 1 to 6");
  expect(() => parseSentencePieceModel(Uint8Array.of(0x0a, 0x03, 0x0a, 0x01, 0x61))).toThrow("it has no unknown piece");
});

function path(file: string): string {
  return fileURLToPath(new URL(`sentencepiece-vectors/${file}`, import.meta.url));
}
