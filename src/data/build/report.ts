/** @file BuildReport: what a build read, wrote and noticed, in numbers; kept beside the dataset. */
import { EMOTIONS, POLARITIES, SPLITS } from "../record.ts";
import type { Emotion, EmtRecord, MediaStatus, Polarity, Split, Utterance } from "../record.ts";
import { publishedEditions } from "../converters/known.ts";
import type { PublishedEdition } from "../converters/known.ts";
import { NOTICE_KINDS } from "../converters/converter.ts";
import type { Notice, NoticeKind } from "../converters/converter.ts";
import type { BuildOptions } from "./options.ts";

export interface SplitCounts {
  readonly records: number;
  readonly utterances: number;
  readonly pairs: number;
  readonly emotion: Readonly<Partial<Record<Emotion, number>>>;
  readonly sentiment: Readonly<Partial<Record<Polarity, number>>>;
  /** Utterances with a FER label, and with a reason by its origin. */
  readonly expression: number;
  readonly reason: Readonly<Partial<Record<NonNullable<Utterance["reasonOrigin"]>, number>>>;
  readonly status: Readonly<Partial<Record<MediaStatus, number>>>;
  /** Utterances whose clip is used. */
  readonly withClip: number;
}

export interface NoticeCount {
  readonly severity: "fault" | "info";
  readonly count: number;
  /** The first few; all of them are in the notices file. */
  readonly examples: readonly Omit<Notice, "kind">[];
}

export interface BuildReport {
  readonly source: string;
  readonly root: string;
  readonly mediaRoot: string;
  readonly options: BuildOptions;
  /** Rows (MELD, MOSEI, EMT) or conversations (ECF) by file. */
  readonly inputs: Readonly<Record<string, { readonly read: number; readonly refused: number }>>;
  readonly splits: Readonly<Partial<Record<Split, SplitCounts>>>;
  readonly notices: Readonly<Partial<Record<NoticeKind, NoticeCount>>>;
}

const EXAMPLES = 5;

/** Counts that grow with the build; `report` is a copy of how they stand. */
export interface ReportCounter {
  row(file: string, refused: boolean): void;
  record(record: EmtRecord): void;
  notice(notice: Notice): void;
  report(facts: Pick<BuildReport, "source" | "root" | "mediaRoot" | "options">): BuildReport;
}

type Tally = Record<string, number>;

export function createCounter(): ReportCounter {
  const inputs: Record<string, { read: number; refused: number }> = {};
  const splits: Partial<Record<Split, ReturnType<typeof emptySplit>>> = {};
  const notices: Partial<Record<NoticeKind, { severity: "fault" | "info"; count: number; examples: Omit<Notice, "kind">[] }>> = {};
  return {
    row: (file, refused) => {
      const input = (inputs[file] ??= { read: 0, refused: 0 });
      input.read += 1;
      if (refused) input.refused += 1;
    },
    record: (record) => {
      const split = (splits[record.split] ??= emptySplit());
      split.records += 1;
      split.pairs += record.pairs?.length ?? 0;
      for (const utterance of record.utterances) {
        split.utterances += 1;
        add(split.emotion, utterance.emotion);
        add(split.sentiment, utterance.sentiment?.polarity);
        add(split.status, utterance.mediaStatus);
        add(split.reason, utterance.reasonOrigin);
        if (utterance.expression !== undefined) split.expression += 1;
        if (utterance.media !== undefined) split.withClip += 1;
      }
    },
    notice: ({ kind, where, what }) => {
      const entry = (notices[kind] ??= { severity: NOTICE_KINDS[kind], count: 0, examples: [] });
      entry.count += 1;
      if (entry.examples.length < EXAMPLES) entry.examples.push({ where, what });
    },
    report: (facts) => structuredClone({ ...facts, inputs, splits, notices }),
  };
}

function emptySplit(): { records: number; utterances: number; pairs: number; emotion: Tally; sentiment: Tally; expression: number; reason: Tally; status: Tally; withClip: number } {
  return { records: 0, utterances: 0, pairs: 0, emotion: {}, sentiment: {}, expression: 0, reason: {}, status: {}, withClip: 0 };
}

function add(tally: Tally, key: string | undefined): void {
  if (key !== undefined) tally[key] = (tally[key] ?? 0) + 1;
}

/**
 * One sentence for every number that differs from the published one, e.g. `train, emotion joy: 1742, published 1743`; none
 * when the numbers are those of any published edition. Training records that were drawn for validation count as training records.
 */
export function differencesFromPublished({ source, splits, options }: Pick<BuildReport, "source" | "splits" | "options">): readonly string[] {
  const groups: readonly (readonly Split[])[] = options.validation.share > 0 ? [["train", "val"], ["test"]] : SPLITS.map((split) => [split]);
  const differences = publishedEditions(source).map((edition) => groups.flatMap((group) => differencesOf(group, { edition, splits })));
  return differences.find((list) => list.length === 0) ?? differences[0] ?? [];
}

type Sizes = { readonly [K in "records" | "utterances" | "pairs" | "emotion" | "sentiment"]?: SplitCounts[K] | undefined };

/** Of the group's splits taken together; nothing is compared that no table or no build has. */
function differencesOf(group: readonly Split[], { edition, splits }: { readonly edition: PublishedEdition; readonly splits: BuildReport["splits"] }): readonly string[] {
  const published = group.flatMap((split) => edition[split] ?? []);
  const counts = group.flatMap((split) => splits[split] ?? []);
  if (published.length === 0 || counts.length === 0) return [];
  const compare = (name: string, read: (sizes: Sizes) => number | undefined): string[] => {
    const expected = sumOf(published, read);
    const got = sumOf(counts, (sizes) => read(sizes) ?? 0);
    return expected === undefined || got === expected ? [] : [`${group[0] ?? ""}, ${name}: ${got ?? 0}, published ${expected}`];
  };
  return [
    ...compare("records", ({ records }) => records),
    ...compare("utterances", ({ utterances }) => utterances),
    ...compare("pairs", ({ pairs }) => pairs),
    ...EMOTIONS.flatMap((word) => compare(`emotion ${word}`, ({ emotion }) => emotion?.[word])),
    ...POLARITIES.flatMap((word) => compare(`sentiment ${word}`, ({ sentiment }) => sentiment?.[word])),
  ];
}

/** Undefined when any of them is. */
function sumOf(sizes: readonly Sizes[], read: (sizes: Sizes) => number | undefined): number | undefined {
  return sizes.reduce<number | undefined>((sum, one) => {
    const value = read(one);
    return sum === undefined || value === undefined ? undefined : sum + value;
  }, 0);
}
