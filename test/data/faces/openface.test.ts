import { join } from "node:path";
import { expect, test } from "vitest";
import { unitOf } from "../../../src/data/action-units.ts";
import { loadBuildOptions } from "../../../src/data/build/options.ts";
import type { Notice } from "../../../src/data/converters/converter.ts";
import { openFaces } from "../../../src/data/faces/label-faces.ts";
import { readOpenFace } from "../../../src/data/faces/openface.ts";
import { peakFrame, presentUnits } from "../../../src/data/faces/peak.ts";
import type { Utterance } from "../../../src/data/record.ts";
import { sharedData, testOnRealFiles } from "../shared-data.ts";
import { rawFiles } from "../converters/converted.ts";

const HEADER = "frame, face_id, timestamp, confidence, success, x_0, X_0, AU06_r, AU12_r, AU25_r, AU45_r, AU06_c, AU12_c, AU28_c";
const frame = (number: number, units: string, { confidence = 0.98, success = 1 } = {}): string => `${number}, 0, ${(number / 25).toFixed(3)}, ${confidence}, ${success}, 1.5, -7, ${units}`;
const RULE = { presence: "intensity", threshold: 0.8, peakUnits: 5 } as const;

async function file(...rows: readonly string[]): Promise<string> {
  return join(await rawFiles({ "clip.csv": [HEADER, ...rows].join("\n") }), "clip.csv");
}

test("the peak frame has the largest sum over the most frequent units", async () => {
  const track = await readOpenFace(
    await file(
      frame(1, "1.0, 1.0, 0.0, 4.0, 1, 1, 0"), // blinking does not count
      frame(2, "1.0, 2.5, 0.0, 0.0, 1, 1, 1"),
      frame(3, "0.0, 0.0, 3.0, 0.0, 0, 0, 0"),
      frame(4, "5.0, 5.0, 5.0, 0.0, 1, 1, 0", { success: 0 }),
      frame(5, "5.0, 5.0, 5.0, 0.0, 1, 1, 0", { confidence: 0.5 }),
    ),
    0.75,
  );

  expect(track.rows).toBe(5);
  expect(track.frames.map(({ line }) => line)).toEqual([2, 3, 4]);
  const peak = peakFrame(track.frames, { ...RULE, peakUnits: 2 });
  expect(peak?.line).toBe(3);
  expect(presentUnits(peak!, RULE)).toEqual([
    { unit: "AU06", intensity: 1 },
    { unit: "AU12", intensity: 2.5 },
    { unit: "AU28", intensity: 1 }, // known to the classifier only
  ]);
  expect(presentUnits(track.frames[0]!, { ...RULE, presence: "classifier" }).map(({ unit }) => unit)).toEqual(["AU06", "AU12", "AU45"]); // AU45 has no classifier here
});

test("a truncated last row is left out and told, and every separator is read", async () => {
  const whole = [HEADER, frame(1, "1, 2, 0, 0, 1, 1, 0")];
  const cut = await readOpenFace(await file(frame(1, "1, 2, 0, 0, 1, 1, 0"), "2, 0, 0.04, 0.9"), 0);
  const commas = await readOpenFace(join(await rawFiles({ "clip.csv": whole.join("\n").replaceAll(", ", ",") }), "clip.csv"), 0);
  const mixed = await readOpenFace(join(await rawFiles({ "clip.csv": `${HEADER}\n${frame(1, "1, 2, 0, 0, 1, 1, 0").replaceAll(", ", ",")}` }), "clip.csv"), 0);

  expect(cut.broken).toEqual([{ line: 3, what: "got 4 cells, expected 14 as in the header" }]);
  expect(commas.frames).toEqual(cut.frames);
  expect(mixed.frames).toEqual(cut.frames);
});

test("a frame without success is left out whatever else it holds; semicolons with decimal commas are read", async () => {
  const failed = await readOpenFace(await file(frame(1, "nan, nan, nan, nan, nan, nan, nan", { success: 0, confidence: Number.NaN }), frame(2, "1, 2, 0, 0, 1, 1, 0")), 0.75);
  const german = await readOpenFace(join(await rawFiles({ "clip.csv": `${HEADER}\n${frame(2, "1.5, 2, 0, 0, 1, 1, 0")}`.replaceAll(", ", ";").replaceAll(".", ",") }), "clip.csv"), 0.75);

  expect([failed.broken, failed.frames.map(({ line }) => line)]).toEqual([[], [3]]);
  expect(german.frames).toMatchObject([{ confidence: 0.98, timestamp: 0.08 }]);
  expect(german.frames[0]?.intensity.get("AU06")).toBe(1.5);
});

test("intensities are kept within OpenFace's scale", async () => {
  const track = await readOpenFace(await file(frame(1, "-0.02, 5.6, 0, 0, 1, 1, 0")), 0);

  expect(presentUnits(track.frames[0]!, { ...RULE, presence: "classifier" }).map(({ intensity }) => intensity)).toEqual([0, 5]);
});

test("frames that are all numbered 0 are told apart by their time; of two faces the surer one counts", async () => {
  const zero = await readOpenFace(await file("0, 0, 0.000, 0.9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1", "0, 0, 0.040, 0.9, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1"), 0);
  const faces = await readOpenFace(await file("1, 0, 0.000, 0.8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1", "1, 1, 0.000, 0.9, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1"), 0);

  expect(zero.frames.length).toBe(2);
  expect([faces.severalFaces, faces.frames.map(({ confidence }) => confidence)]).toEqual([true, [0.9]]);
});

async function label(utterance: Partial<Utterance>, set: readonly string[], rows: readonly string[] = [frame(1, "2.0, 3.0, 0.0, 0.0, 1, 1, 0")]): Promise<{ readonly utterance: Utterance; readonly told: readonly string[] }> {
  const root = await rawFiles({ "a/clip.csv": [HEADER, ...rows].join("\n") });
  const { faces } = await loadBuildOptions({ set: [`faces.root=${root}`, ...set] });
  const notices: Notice[] = [];
  const labelled = await (await openFaces(faces)).label({ utterance: { id: "u", text: "", ...utterance }, where: "x.csv:2", files: ["b/clip.csv", "a/clip.csv"] }, notices);
  return { utterance: labelled, told: notices.map(({ where, what }) => `${where}: ${what.replaceAll(`${root}/`, "")}`) };
}

test("the units of the emotion get one phrase each, the same for the same seed", async () => {
  const { utterance, told } = await label({ emotion: "joy" }, []);
  const again = await label({ emotion: "joy" }, []);
  const seeds = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => label({ emotion: "joy" }, [`faces.seed=${seed}`])));

  expect(utterance.actionUnits).toEqual([{ unit: "AU06", intensity: 2 }, { unit: "AU12", intensity: 3 }]);
  expect(utterance.expression?.map(unitOf)).toEqual(["AU06", "AU12"]);
  expect(again.utterance).toEqual(utterance);
  expect(new Set(seeds.map(({ utterance: one }) => one.expression?.join())).size).toBeGreaterThan(1);
  expect(told).toEqual([]);
});

test("when no unit belongs to the emotion the rule decides", async () => {
  const skipped = await label({ emotion: "anger" }, []);
  const all = await label({ emotion: "anger" }, ["faces.empty=all-units"]);

  expect(skipped.utterance.expression).toBeUndefined();
  expect(skipped.told).toEqual(["x.csv:2: u: a/clip.csv: none of the units AU06, AU12 belongs to anger; no FER label"]);
  expect(all.utterance.expression?.map(unitOf)).toEqual(["AU06", "AU12"]);
});

test("a face that was never seen, and a file that is not there, are told", async () => {
  expect((await label({ emotion: "joy" }, [], [frame(1, "2, 3, 0, 0, 1, 1, 0", { success: 0 })])).told).toEqual(["x.csv:2: u: a/clip.csv: no frame with a face (success 1, confidence at least 0.75); no FER label"]);
  const { faces } = await loadBuildOptions({ set: [`faces.root=${await rawFiles({})}`] });
  const notices: Notice[] = [];
  await (await openFaces(faces)).label({ utterance: { id: "u", text: "" }, where: "w", files: ["u.csv"] }, notices);
  expect(notices).toEqual([{ kind: "faces", where: "w", what: "u: no OpenFace file (u.csv); no FER label" }]);
});

test("a folder that does not exist is a mistake in the options", async () => {
  await expect(openFaces((await loadBuildOptions({ set: ["faces.root=/nowhere"] })).faces)).rejects.toThrow("ConfigError option faces.root: got /nowhere, expected a folder of OpenFace's CSV files.");
});

testOnRealFiles("OpenFace's real output is read whole: 1.x, 2.x, 2.2, video and image", async () => {
  const [demo, old, image, video] = await Promise.all(["openface2_demo_first120.csv", "OpenFace_Test.csv", "openface22_image_img1_aus_only.csv", "openface22_video2_first2_aus_only.csv"].map((name) => readOpenFace(sharedData("openface", name), 0.75)));

  expect([demo, old, image, video].map((track) => [track?.rows, track?.frames.length, track?.broken.length])).toEqual([
    [120, 120, 0],
    [100, 100, 0],
    [1, 1, 0],
    [2, 2, 0],
  ]);
  // The image's row: AU04 1.73, AU06 2.38, AU07 2.50, AU09 1.06, AU12 1.99, AU20 1.14, AU25 1.62, AU45 1.56 are at least 0.8.
  expect(presentUnits(image!.frames[0]!, RULE).map(({ unit, intensity }) => `${unit} ${intensity}`)).toEqual(expect.arrayContaining(["AU04 1.73", "AU06 2.38", "AU07 2.5", "AU09 1.06", "AU12 1.99", "AU20 1.14", "AU25 1.62", "AU45 1.56"]));
  // _r and _c contradict each other here: AU01_c is 1, AU01_r 0.15.
  expect([...video!.frames[0]!.present]).toContain("AU01");
  expect(presentUnits(video!.frames[0]!, RULE).map(({ unit }) => unit)).not.toContain("AU01");
});
