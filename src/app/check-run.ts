/**
 * @file The preflight: every line, label and clip of a dataset, the length of every sample against its budget, and what
 * training would need. Records stream, so that a dataset of any size is checked in the same memory but for its names.
 */
import { join, resolve, relative } from "node:path";
import type { RunConfig, StageConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { toJson, writeFileAtomic } from "../core/files.ts";
import { resolveMixture } from "../curriculum/mixture.ts";
import { mediaRootOf, readDatasetInfo, requireFolder } from "../data/dataset.ts";
import { createFindingCounter } from "../data/check/findings.ts";
import type { Finding, FindingCounter, FindingCount, FindingKind } from "../data/check/findings.ts";
import { scanDataset } from "../data/check/scan.ts";
import type { ScannedRecord } from "../data/check/scan.ts";
import { openJsonlWriter } from "../data/jsonl.ts";
import type { JsonlWriter } from "../data/jsonl.ts";
import { SPLITS } from "../data/record.ts";
import type { EmtRecord, Split } from "../data/record.ts";
import type { ClipLimits } from "../data/probing/inspect-clip.ts";
import { type Shapes, sizeOfShape } from "../model/params.ts";
import { frozenTowers } from "../model/tower-states.ts";
import { estimateMemory, type MemoryEstimate } from "../train/memory-estimate.ts";
import { trainableParameters } from "../train/trainable.ts";
import { type Sample, TASK_NAMES, type TaskName } from "../tasks/task.ts";
import { encodeSamples } from "../text/encode.ts";
import { type Modality, sampleLength } from "../text/encoded-sample.ts";
import { openModel, type OpenModel, samplesOfRecord } from "./experiment.ts";
import { baseShapes } from "./plan-run.ts";
import { adaptedStages } from "./stage-adapters.ts";
import { memoryInput, tasksOf, trainsTask } from "./prepare-stage.ts";
import { createLengthCounter, type LengthCounter, type TaskLengths } from "./token-histogram.ts";

export interface CheckOptions {
  readonly config: RunConfig;
  /** `none`: clips are not looked at. */
  readonly media?: "header" | "none";
  readonly limits?: ClipLimits;
  /** Where the dataset without what is bad goes. */
  readonly fixOut?: string;
  readonly signal: AbortSignal;
}

export interface SplitCheck {
  readonly records: number;
  readonly utterances: number;
  /** Utterances with a clip to look at, and with a sound file of its own. */
  readonly withVideo: number;
  readonly withAudio: number;
  readonly tasks: Readonly<Partial<Record<TaskName, TaskLengths>>>;
  /** The record whose tree (prefix and all its branches) is the longest. */
  readonly heaviest?: { readonly where: string; readonly id: string; readonly tokens: number; readonly supervised: number };
}

export interface StageNeed {
  readonly stage: string;
  /** Tokens that the stage passes over, expected from the mixture's levels; shared prefixes count once. */
  readonly tokens: number;
  /** Of a full batch of the heaviest kind. */
  readonly memory: MemoryEstimate;
  /** 1e12 floating-point operations, forward and backward, towers left out. */
  readonly teraflops: number;
}

export interface CheckReport {
  readonly root: string;
  readonly splits: Readonly<Partial<Record<Split, SplitCheck>>>;
  readonly clips: number;
  readonly seconds: number;
  readonly findings: Readonly<Partial<Record<FindingKind, FindingCount>>>;
  readonly stages: readonly StageNeed[];
  readonly fixed?: { readonly out: string; readonly records: number; readonly leftOut: number; readonly changed: number };
}

export type CheckEvent =
  | ({ readonly type: "finding" } & Finding)
  | { readonly type: "progress"; readonly records: number; readonly clips: number }
  | { readonly type: "report"; readonly report: CheckReport };

const DEFAULT_LIMITS: ClipLimits = { minSeconds: 0.2, minFrames: 2, maxSeconds: 30 };
const PROGRESS_EVERY = 200;

/** Tells every finding as it comes, and at the end the report. The caller decides what a bad finding means. */
export async function* checkRun(options: CheckOptions): AsyncGenerator<CheckEvent> {
  const { config, media = "header", limits = DEFAULT_LIMITS, fixOut, signal } = options;
  const started = Date.now();
  const { root } = config.data;
  await requireFolder(root);
  const info = await readDatasetInfo(root);
  const open = await openModel(config);
  const counter = createFindingCounter();
  const splits = new Map<Split, SplitState>();
  const fixer = fixOut === undefined ? undefined : createFixer(fixOut, root);
  let records = 0;
  let clips = 0;
  try {
    for await (const scanned of scanDataset({ root, info, media, limits, signal })) {
      clips += scanned.clips;
      const overBudget = scanned.record === undefined ? [] : measure(scanned, scanned.record, { config, open, state: stateOf(splits, scanned.split) });
      yield* told([...scanned.findings, ...overBudget], counter);
      await fixer?.take(scanned, overBudget.some(({ kind }) => kind === "over-budget"));
      if (scanned.record === undefined) continue;
      records += 1;
      if (records % PROGRESS_EVERY === 0) yield { type: "progress", records, clips };
    }
    if (records === 0 && Object.keys(counter.counts()).length === 0) throw new UserError({ kind: "DataError", where: root, what: "no records here, expected at least one line in train.jsonl, val.jsonl, test.jsonl" });
    yield* told(missingSamples(config, splits), counter);
    const fixed = await fixer?.finish({ name: info?.name ?? "fixed", source: info?.source ?? "fixed", ...(info?.seed === undefined ? {} : { seed: info.seed }) });
    const report: CheckReport = {
      root,
      splits: Object.fromEntries([...splits].map(([split, state]) => [split, describeSplit(state)])),
      clips,
      seconds: (Date.now() - started) / 1000,
      findings: counter.counts(),
      stages: await stageNeeds(config, open, splits.get("train")),
      ...(fixed === undefined ? {} : { fixed }),
    };
    yield { type: "report", report };
  } finally {
    await fixer?.discard();
  }
}

function* told(findings: readonly Finding[], counter: FindingCounter): Generator<CheckEvent> {
  for (const finding of findings) {
    counter.add(finding);
    yield { type: "finding", ...finding };
  }
}

interface SplitState {
  records: number;
  utterances: number;
  withVideo: number;
  withAudio: number;
  readonly lengths: LengthCounter;
  readonly branchTokens: Map<TaskName, number>;
  /** Tokens of prefixes, by the draws that any of them is passed over for: `msa,erc,fer`, or `erc,erc` of two turns of a dialogue. */
  readonly prefixTokens: Map<string, number>;
  supervised: number;
  /** That samples look at, listen to, and either. */
  readonly clips: Record<Modality | "any", number>;
  heaviest: SplitCheck["heaviest"];
}

function stateOf(splits: Map<Split, SplitState>, split: Split): SplitState {
  const state = splits.get(split) ?? { records: 0, utterances: 0, withVideo: 0, withAudio: 0, lengths: createLengthCounter(), branchTokens: new Map<TaskName, number>(), prefixTokens: new Map<string, number>(), supervised: 0, clips: { video: 0, audio: 0, any: 0 }, heaviest: undefined };
  splits.set(split, state);
  return state;
}

interface Measuring {
  readonly config: RunConfig;
  readonly open: OpenModel;
  readonly state: SplitState;
}

/** Counts the record's samples; the result are those that exceed the smallest row of a stage that trains them (it cannot take them), or the evaluation's (which widens a row for them). */
function measure({ split, where }: ScannedRecord, record: EmtRecord, { config, open, state }: Measuring): Finding[] {
  state.records += 1;
  state.utterances += record.utterances.length;
  state.withVideo += record.utterances.filter(({ media }) => media?.video !== undefined).length;
  state.withAudio += record.utterances.filter(({ media }) => media?.audio !== undefined).length;
  const wanted = split === "train" ? tasksOf(config, config.stages) : TASK_NAMES;
  const samples = samplesIfConsistent(record, wanted, config.data);
  if (samples === undefined) return []; // its labels contradict each other, which is among the findings
  const findings: Finding[] = [];
  const prefixes = new Map<string, { readonly length: number; readonly draws: Map<string, TaskName> }>();
  const clips = { video: new Set<string>(), audio: new Set<string>() };
  let [tokens, supervised] = [0, 0];
  for (const sample of encodeSamples(samples, { ...open.encoding, supervise: "answers" })) {
    const { id, task, unit, prefixKey, prefix, branch, answerTokens } = sample;
    const length = sampleLength(sample);
    state.lengths.add(task, { tokens: length, supervised: answerTokens });
    state.branchTokens.set(task, (state.branchTokens.get(task) ?? 0) + branch.inputIds.length);
    const shared = prefixes.get(prefixKey) ?? { length: prefix.inputIds.length, draws: new Map<string, TaskName>() };
    prefixes.set(prefixKey, shared);
    shared.draws.set(`${task} ${unit}`, task);
    for (const { modality, clip } of [...prefix.slots, ...branch.slots]) clips[modality].add(clip);
    tokens += branch.inputIds.length;
    supervised += answerTokens;
    const { budget, name } = budgetOf(config, split, task);
    if (length > budget) findings.push({ kind: split === "train" ? "over-budget" : "long-prompt", where, what: `the sample ${id} has ${length} tokens, ${name} is ${budget}` });
  }
  for (const { length, draws } of prefixes.values()) {
    const key = [...draws.values()].join();
    state.prefixTokens.set(key, (state.prefixTokens.get(key) ?? 0) + length);
  }
  state.clips.video += clips.video.size;
  state.clips.audio += clips.audio.size;
  state.clips.any += new Set([...clips.video, ...clips.audio]).size;
  const shared = sum([...prefixes.values()].map(({ length }) => length));
  state.supervised += supervised;
  if (tokens + shared > (state.heaviest?.tokens ?? 0)) state.heaviest = { where, id: record.id, tokens: tokens + shared, supervised };
  return findings;
}

/** Undefined for a record whose labels do not fit together: its tasks throw. */
function samplesIfConsistent(record: EmtRecord, tasks: readonly TaskName[], data: RunConfig["data"]): readonly Sample[] | undefined {
  try {
    return samplesOfRecord(record, tasks, data);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function budgetOf(config: RunConfig, split: Split, task: TaskName): { readonly budget: number; readonly name: string } {
  if (split !== "train") return { budget: config.eval.rowTokens, name: "eval.rowTokens" };
  const training = config.stages.filter((stage) => trainsTask(config, stage, task));
  const smallest = training.reduce((a, b) => (b.budget.rowTokens < a.budget.rowTokens ? b : a));
  return { budget: smallest.budget.rowTokens, name: `budget.rowTokens of stage ${smallest.name}` };
}

function describeSplit({ records, utterances, withVideo, withAudio, lengths, heaviest }: SplitState): SplitCheck {
  return { records, utterances, withVideo, withAudio, tasks: lengths.lengths(), ...(heaviest === undefined ? {} : { heaviest }) };
}

/** Tasks of a stage that no training record has a label for. */
function missingSamples(config: RunConfig, splits: ReadonlyMap<Split, SplitState>): Finding[] {
  const tasks = splits.get("train")?.lengths.lengths() ?? {};
  return config.stages.flatMap((stage) =>
    TASK_NAMES.filter((task) => trainsTask(config, stage, task) && tasks[task] === undefined).map((task) => ({ kind: "no-samples" as const, where: join(config.data.root, "train.jsonl"), what: `stage ${stage.name} trains ${task}, but no record has a label of it` })),
  );
}

/** Forward 2, and backward 4 operations per token and parameter; a frozen parameter's gradient is not made, its input's is. */
const OPERATIONS = { forward: 2, backward: 2 };

async function stageNeeds(config: RunConfig, open: OpenModel, train: SplitState | undefined): Promise<StageNeed[]> {
  if (train === undefined || train.records === 0) return [];
  const base = await baseShapes({ config, model: open.model });
  return (await adaptedStages(config, config.stages, base)).map(({ stage, shapes }) => {
    const trained = [...trainableParameters(stage.trainable, [...shapes.keys()], `stages.${stage.name}.trainable`).keys()];
    const tokens = stageTokens(config, stage, train);
    const size = (names: readonly string[]): number => sum(names.filter((name) => name.startsWith("language_model.")).map((name) => sizeOfShape(shapes.get(name) ?? [])));
    const perToken = (OPERATIONS.forward + OPERATIONS.backward) * size([...shapes.keys()]) + OPERATIONS.backward * size(trained);
    return { stage: stage.name, tokens, memory: stageMemory({ config, stage, open, train, shapes, trained }), teraflops: (tokens * perToken) / 1e12 };
  });
}

/** Branches by their levels; a prefix is passed over when any of its tasks is drawn. No more than the steps have room for. */
function stageTokens({ levels }: RunConfig, { name, mixture, budget }: StageConfig, { branchTokens, prefixTokens }: SplitState): number {
  const resolved: Readonly<Record<string, number>> = resolveMixture(name, { mixture, levels });
  const anyDrawn = (tasks: string): number => 1 - tasks.split(",").reduce((none, task) => none * (1 - (resolved[task] ?? 0)), 1);
  const branches = sum(TASK_NAMES.map((task) => (resolved[task] ?? 0) * (branchTokens.get(task) ?? 0)));
  const prefixes = sum([...prefixTokens].map(([tasks, tokens]) => anyDrawn(tasks) * tokens));
  const room = (budget.maxSteps ?? Infinity) * budget.accumulation * budget.rowsPerBatch * budget.rowTokens;
  return Math.round(Math.min(room, budget.epochs * (branches + prefixes)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

interface MemoryOf {
  readonly config: RunConfig;
  readonly stage: StageConfig;
  readonly open: OpenModel;
  readonly train: SplitState;
  readonly shapes: Shapes;
  readonly trained: readonly string[];
}

/** A full batch with the data's share of supervised tokens and clips; `m2se plan` has the exact one. */
function stageMemory({ config, stage, open, train: { prefixTokens, branchTokens, supervised, clips }, shapes, trained }: MemoryOf): MemoryEstimate {
  const { budget, promptWeight } = stage;
  const allTokens = sum([...prefixTokens.values(), ...branchTokens.values()]);
  const perBatch = (count: number): number => budget.rowsPerBatch * Math.ceil((count * budget.rowTokens) / Math.max(1, allTokens));
  const largestBatch = {
    rows: budget.rowsPerBatch,
    supervisedTokens: promptWeight > 0 ? budget.rowsPerBatch * budget.rowTokens : perBatch(supervised),
    videoClips: perBatch(clips.video),
    audioClips: perBatch(clips.audio),
  };
  const frozen = frozenTowers(open.model.config, trained);
  return estimateMemory(memoryInput({ config, ...open }, stage, { largestBatch, steps: 1, shapes, trained, frozen, clips: clips.any, place: "host" }));
}

interface Fixer {
  take(scanned: ScannedRecord, overBudget: boolean): Promise<void>;
  /** `info`: name, source and seed of dataset.json. */
  finish(info: Readonly<Record<string, unknown>>): Promise<NonNullable<CheckReport["fixed"]>>;
  discard(): Promise<void>;
}

/** Writes the records that are kept. Bad clips leave their utterances as text; whole records go for what text cannot mend. */
function createFixer(out: string, root: string): Fixer {
  if (resolve(out) === resolve(root)) throw new UserError({ kind: "ConfigError", where: "--fix-out", what: "got the dataset's own folder, expected another one" });
  const writers = new Map<Split, JsonlWriter>();
  const counts = new Map<Split, { records: number; utterances: number }>();
  let [leftOut, changed] = [0, 0];
  return {
    take: async ({ split, clean, record, findings }, overBudget) => {
      if (record === undefined && !findings.some(({ kind }) => kind === "bad-line")) return; // a finding of the dataset as a whole
      if (clean === undefined || overBudget) {
        leftOut += 1;
        return;
      }
      if (findings.some(({ kind }) => ["no-file", "unreadable", "unsafe-path", "unknown-phrase"].includes(kind))) changed += 1;
      const writer = writers.get(split) ?? (await openJsonlWriter(join(out, `${split}.jsonl`)));
      writers.set(split, writer);
      const count = counts.get(split) ?? { records: 0, utterances: 0 };
      counts.set(split, { records: count.records + 1, utterances: count.utterances + clean.utterances.length });
      await writer.write(clean);
    },
    finish: async (info) => {
      for (const writer of writers.values()) await writer.commit();
      const media = await mediaRootOf(root, await readDatasetInfo(root));
      const dataset = { ...info, mediaRoot: relative(resolve(out), resolve(media)) || ".", counts: Object.fromEntries(SPLITS.flatMap((split) => (counts.has(split) ? [[split, counts.get(split)]] : []))) };
      await writeFileAtomic(join(out, "dataset.json"), toJson(dataset));
      return { out, records: sum([...counts.values()].map(({ records }) => records)), leftOut, changed };
    },
    discard: async () => {
      await Promise.all([...writers.values()].map((writer) => writer.discard()));
    },
  };
}
