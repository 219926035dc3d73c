import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { differencesFromPublished } from "../../../src/data/build/report.ts";
import { sharedData, testOnRealFiles } from "../shared-data.ts";
import { convert, only, rawFiles } from "./converted.ts";

interface Line {
  readonly emotion?: string;
  readonly text?: string;
}

const conversation = (id: number, lines: readonly Line[], pairs?: readonly (readonly [string, string])[]): unknown => ({
  conversation_ID: id,
  conversation: lines.map(({ emotion = "neutral", text = "Hi ." }, i) => ({ utterance_ID: i + 1, text, speaker: "Joey", emotion, video_name: `dia${id}utt${i + 1}.mp4` })),
  ...(pairs === undefined ? {} : { "emotion-cause_pairs": pairs }),
});
const json = (...items: readonly unknown[]): string => JSON.stringify(items, undefined, 4);

const MAPPING = ["1 2", "(2,1)", "1 | Joey | neutral | Hi . | train_dia7_utt0", "2 | Joey | joy | Ha | ha . | test_dia4_utt1", "2 1", "", "1 | Joey | neutral | Hi . | "].join("\n");

test("a conversation becomes a record with its pairs in the file's order", async () => {
  const { records } = await convert("ecf", await rawFiles({ "text/Subtask_2_train.json": json(conversation(9, [{}, { emotion: "joy", text: "Ha ." }], [["2_joy", "2"], ["2_joy", "1"]])) }));

  expect(only(records)).toEqual({
    id: "ecf_dia9",
    source: "ecf",
    split: "train",
    utterances: [
      { id: "ecf_dia9utt1", speaker: "Joey", text: "Hi .", clip: "ecf/dia9utt1", emotion: "neutral", mediaStatus: "no-clips" },
      { id: "ecf_dia9utt2", speaker: "Joey", text: "Ha .", clip: "ecf/dia9utt2", emotion: "joy", mediaStatus: "no-clips" },
    ],
    pairs: [
      { emotionUtterance: 2, causeUtterance: 2 },
      { emotionUtterance: 2, causeUtterance: 1 },
    ],
  });
});

test("the mapping gives MELD's clip and name of an utterance; ECF's own clip comes first", async () => {
  const root = await rawFiles({
    "Subtask_2_train.json": json(conversation(1, [{}, { emotion: "joy" }], [["2_joy", "1"]]), conversation(2, [{}], [])),
    "all_data_pair_ECFvsMELD.txt": MAPPING,
    "MELD.Raw/train_splits/dia7_utt0.mp4": "x",
    "MELD.Raw/output_repeated_splits_test/dia4_utt1.mp4": "x",
    "video_with_audio/train_1/dia1utt2.mp4": "x",
  });

  const auto = await convert("ecf", root, ["media.probe=none"]);
  const meld = await convert("ecf", root, ["media.probe=none", "ecf.clips=meld"]);

  const utterances = auto.records.flatMap((record) => record.utterances);
  expect(utterances.map(({ clip }) => clip)).toEqual(["meld/train/dia7_utt0", "meld/test/dia4_utt1", "ecf/dia2utt1"]);
  expect(utterances.map(({ media }) => media?.video)).toEqual(["MELD.Raw/train_splits/dia7_utt0.mp4", "video_with_audio/train_1/dia1utt2.mp4", undefined]);
  expect(meld.records.flatMap((record) => record.utterances.map(({ media }) => media?.video))).toEqual(["MELD.Raw/train_splits/dia7_utt0.mp4", "MELD.Raw/output_repeated_splits_test/dia4_utt1.mp4", undefined]);
});

test("a mapping that is cut off says which utterances it does not know, and blank lines that are gone shift nothing", async () => {
  const train = json(conversation(1, [{}, {}], []), conversation(2, [{}], []));
  const cut = await convert("ecf", await rawFiles({ "Subtask_2_train.json": train, "all_data_pair_ECFvsMELD.txt": MAPPING.split("\n").slice(0, 3).join("\n") }));
  const tight = await convert("ecf", await rawFiles({ "Subtask_2_train.json": train, "all_data_pair_ECFvsMELD.txt": "2 1\n1 | Joey | neutral | Hi . | \n1 2\n1 | Joey | neutral | Hi . | train_dia7_utt0\nnonsense\n2 | Joey | joy | Ha . | dia4\n" }));

  expect(cut.notices).toContain("bad-row all_data_pair_ECFvsMELD.txt:3: conversation 1 ends after 1 of 2 utterances: which of the others are MELD's cannot be told");
  expect(tight.records.flatMap(({ utterances }) => utterances.map(({ clip }) => clip))).toEqual(["meld/train/dia7_utt0", "ecf/dia1utt2", "ecf/dia2utt1"]);
  expect(tight.notices.filter((text) => text.includes("ECFvsMELD.txt:"))).toEqual([
    'bad-row all_data_pair_ECFvsMELD.txt:5: got "nonsense", expected a conversation\'s number and length, its pairs, or an utterance',
    'bad-row all_data_pair_ECFvsMELD.txt:6: got the clip "dia4", expected a name such as train_dia152_utt0',
  ]);
});

test("repeated and missing conversations, wrong pairs and labels are named with file and line", async () => {
  const { records, notices, report } = await convert(
    "ecf",
    await rawFiles({
      "Subtask_2_train.json": json(
        conversation(1, [{ emotion: "Joy" }, { emotion: "happy" }, {}], [["1_joy", "9"], ["2_anger", "1"], ["3_neutral", "1"], ["1_joy", "1_a span"], ["1_joy", "2"], ["1_joy", "2"]]),
        conversation(1, [{}], []),
        { conversation_ID: "x" },
        conversation(3, [{ emotion: "boredom" }], []),
      ),
    }),
  );

  expect(notices.filter((text) => text.includes("train.json:"))).toEqual([
    'other-word Subtask_2_train.json:2: dia1utt1: emotion "Joy" was read as "joy"',
    'other-word Subtask_2_train.json:2: dia1utt2: emotion "happy" was read as "joy"',
    'bad-row Subtask_2_train.json:2: conversation 1: the pair ["1_joy","9"] names an utterance that the conversation does not have; it is left out',
    'bad-row Subtask_2_train.json:2: conversation 1: the pair ["2_anger","1"] gives utterance 2 another emotion than its label, joy; it is left out',
    'bad-row Subtask_2_train.json:2: conversation 1: the pair ["3_neutral","1"] gives a cause to a neutral utterance; it is left out',
    'bad-row Subtask_2_train.json:2: conversation 1: the pair ["1_joy","1_a span"] is not of the form ["3_joy", "2"]; it is left out',
    'bad-row Subtask_2_train.json:2: conversation 1: the pair ["1_joy","2"] stands there twice; it is left out',
    expect.stringMatching(/^repeated Subtask_2_train\.json:\d+: conversation 1 was read from .*:2 already; this one is not used$/),
    expect.stringMatching(/^bad-row Subtask_2_train\.json:\d+: this is no conversation: conversation_ID: /),
    expect.stringMatching(/^unknown-label Subtask_2_train\.json:\d+: dia3utt1: emotion "boredom" is outside the set/),
    expect.stringMatching(/^unknown-label Subtask_2_train\.json:\d+: conversation 3: not every utterance has an emotion, so its pairs are left out$/),
    "missing Subtask_2_train.json: 1372 of the 1374 published conversations of the train split are not here",
  ]);
  expect(records.map(({ pairs }) => pairs)).toEqual([[{ emotionUtterance: 1, causeUtterance: 2 }], undefined]);
  expect(Object.values(report.inputs)).toEqual([{ read: 4, refused: 2 }]);
});

test("a file of subtask 1, whose causes are spans, is not taken for one of subtask 2", async () => {
  const root = await rawFiles({ "Subtask_1_train.json": json(conversation(1, [{ emotion: "joy" }], [["1_joy", "1_Hi ."]])) });

  await expect(convert("ecf", root)).rejects.toThrow(`no conversations of ECF subtask 2 here (found: ${join(root, "Subtask_1_train.json")}: this is a file of subtask 1 (cause spans), which is another task: it is not read)`);
});

test("of two files of a split the one with pairs is read, whatever its name; without any, subtask 2's", async () => {
  const labelled = json(conversation(1, [{ emotion: "joy" }], [["1_joy", "1"]]));
  const unlabelled = json({ conversation_ID: 1, conversation: [{ utterance_ID: 1, text: "Hi .", speaker: "Joey" }] });

  const one = await convert("ecf", await rawFiles({ "test.json": unlabelled, "text/Subtask_1_test.json": labelled }));
  const none = await convert("ecf", await rawFiles({ "Subtask_1_test.json": unlabelled, "text/Subtask_2_test.json": unlabelled }));

  expect(only(one.records).pairs).toEqual([{ emotionUtterance: 1, causeUtterance: 1 }]);
  expect(one.notices).toContain("input test.json: the test split is read from text/Subtask_1_test.json; this file is not read");
  expect(Object.keys(none.report.inputs)).toEqual([expect.stringContaining("Subtask_2_test.json")]);
});

test("a broken first conversation costs itself alone; a file of nothing else is named, settings are passed over", async () => {
  const good = JSON.stringify(conversation(1, [{}], []));

  const { notices, records } = await convert("ecf", await rawFiles({ "Subtask_2_train.json": `[{"conversation_ID": }, ${good}]`, "Subtask_2_dev.json": '[{"conversation_ID": }]', "train_config.json": '{\n "epochs": 3\n}' }));

  expect(records).toHaveLength(1);
  expect(notices.filter((text) => text.startsWith("bad-")).map((text) => text.replace(/not JSON: .*(?=; nothing)|not JSON: .*$/, "not JSON"))).toEqual(["bad-file Subtask_2_dev.json:1: this is not JSON; nothing in this file can be read", "bad-row Subtask_2_train.json:1: this is not JSON"]);
});

test("an utterance number that stands there twice is told and used once; null is no emotion", async () => {
  const lines = [{ utterance_ID: 1, text: "a", speaker: null, emotion: "joy" }, { utterance_ID: 1, text: "b", emotion: "fear" }, { utterance_ID: 2, text: "c", emotion: null }];

  const { notices, records } = await convert("ecf", await rawFiles({ "Subtask_2_test.json": json({ conversation_ID: 7, conversation: lines, "emotion-cause_pairs": null }) }));

  expect(only(records).utterances.map(({ id, text, emotion }) => [id, text, emotion])).toEqual([["ecf_dia7utt1", "a", "joy"], ["ecf_dia7utt2", "c", undefined]]);
  expect(notices).toContain("repeated Subtask_2_test.json:2: conversation 7: utterance 1 is there twice; the second one is left out");
});

test("clips are found whatever the letter case of their ending", async () => {
  const { records } = await convert("ecf", await rawFiles({ "Subtask_2_test.json": json(conversation(1, [{}], [])), "clips/dia1utt1.MP4": "x" }), ["media.probe=none"]);

  expect(only(only(records).utterances).media?.video).toBe("clips/dia1utt1.MP4");
});

test("a share of the training conversations becomes the validation split, the same one every time", async () => {
  const root = await rawFiles({ "Subtask_2_train.json": json(...Array.from({ length: 200 }, (_, i) => conversation(i + 1, [{}], []))) });

  const [first, second] = [await convert("ecf", root, ["validation.share=0.25"]), await convert("ecf", root, ["validation.share=0.25"])];

  const validation = first.records.filter(({ split }) => split === "val").length;
  expect(validation).toBeGreaterThan(30);
  expect(validation).toBeLessThan(70);
  expect(second.records).toEqual(first.records);
  expect(first.notices.filter((text) => text.startsWith("count-differs"))).toContainEqual(expect.stringMatching(/: train, records: 200, published 1374$/)); // both parts are training records
});

testOnRealFiles("the official files give the published counts, and the mapping 2535 utterances of MELD's test split", async () => {
  const root = await rawFiles({});
  for (const name of ["Subtask_2_train.json", "Subtask_2_test.json", "all_data_pair_ECFvsMELD.txt"]) await copyFile(sharedData("ecf", name), join(root, name));

  const { report, records } = await convert("ecf", root);

  expect(differencesFromPublished(report)).toEqual([]);
  expect(report.splits.train).toMatchObject({ records: 1374, utterances: 13619, pairs: 9794 });
  expect(report.splits.test).toMatchObject({ records: 341, utterances: 3101, pairs: 2462, emotion: { joy: 700, neutral: 1280 } });
  const homes = records.filter(({ split }) => split === "train").flatMap((record) => record.utterances.map(({ clip }) => clip?.split("/").slice(0, -1).join("/")));
  const count = (home: string): number => homes.filter((one) => one === home).length;
  expect([count("meld/train"), count("meld/val"), count("meld/test"), count("ecf")]).toEqual([9776, 1078, 2535, 230]);
  expect(Object.keys(report.notices).sort()).toEqual(["known-defect", "no-clips"]);
});
