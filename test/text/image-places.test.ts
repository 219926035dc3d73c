import { expect, test } from "vitest";
import { placeImages } from "../../src/text/image-places.ts";

const picture = (tokens: number, offset = 0) => ({ clip: "a", tokens, offset });

test("every place takes its picture's tokens between <img> and </img>, in order", () => {
  const pieces = placeImages("Image-1: <image>\nImage-2: <image>\nCompare.", [picture(4), picture(2, 4)], "x");

  expect(pieces).toEqual([
    { kind: "text", text: "Image-1: " },
    { kind: "control", token: "<img>" },
    { kind: "media", token: "<IMG_CONTEXT>", modality: "video", clip: "a", count: 4, offset: 0 },
    { kind: "control", token: "</img>" },
    { kind: "text", text: "\nImage-2: " },
    { kind: "control", token: "<img>" },
    { kind: "media", token: "<IMG_CONTEXT>", modality: "video", clip: "a", count: 2, offset: 4 },
    { kind: "control", token: "</img>" },
    { kind: "text", text: "\nCompare." },
  ]);
});

test("a text without pictures stays as it is", () => {
  expect(placeImages("Hello", [], "x")).toEqual([{ kind: "text", text: "Hello" }]);
});

test("places and pictures must be equally many", () => {
  expect(() => placeImages("<image><image>", [picture(1)], "train.jsonl:7")).toThrow(
    "DataError train.jsonl:7: Got 2 <image> places for 1 pictures, expected as many.\n  Write <image> once for every picture, in the order of the pictures.",
  );
  expect(() => placeImages("none", [picture(1)], "x")).toThrow("Got 0 <image> places for 1 pictures");
});
