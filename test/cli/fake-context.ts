/** @file A command's context with an application that only records what it was asked. */
import { pino } from "pino";
import type { App } from "../../src/cli/app.ts";
import type { CommandContext } from "../../src/cli/context.ts";

export interface FakeContext {
  readonly context: CommandContext;
  readonly human: string[];
  readonly progress: string[];
  readonly json: unknown[];
  /** Names of the application's functions with their options, in order. */
  readonly calls: (readonly [string, unknown])[];
  readonly stop: AbortController;
}

/** `app` replaces functions that would otherwise fail the test by being called. */
export function fakeContext(workingDirectory: string, app: Partial<App> = {}): FakeContext {
  const stop = new AbortController();
  const calls: (readonly [string, unknown])[] = [];
  const unexpected = (name: string) => (): never => {
    throw new Error(`${name} was not expected`);
  };
  const functions: App = {
    buildRun: unexpected("buildRun"),
    exportRun: unexpected("exportRun"),
    previewReasons: unexpected("previewReasons"),
    writeReasons: unexpected("writeReasons"),
    checkRun: unexpected("checkRun"),
    examine: unexpected("examine"),
    answerProbe: unexpected("answerProbe"),
    renderSyntheticDataset: unexpected("renderSyntheticDataset"),
    planRun: unexpected("planRun"),
    prepareRun: unexpected("prepareRun"),
    trainRun: unexpected("trainRun"),
    evalRun: unexpected("evalRun"),
    exportCheckpoint: unexpected("exportCheckpoint"),
    predictRun: unexpected("predictRun"),
    scoreRun: unexpected("scoreRun"),
    ...app,
  };
  const record =
    <Options, Result>(name: string, run: (options: Options) => Result) =>
    (options: Options): Result => {
      calls.push([name, options]);
      return run(options);
    };
  const recorded: App = {
    buildRun: record("buildRun", functions.buildRun),
    exportRun: record("exportRun", functions.exportRun),
    previewReasons: record("previewReasons", functions.previewReasons),
    writeReasons: record("writeReasons", functions.writeReasons),
    checkRun: record("checkRun", functions.checkRun),
    examine: record("examine", functions.examine),
    answerProbe: record("answerProbe", functions.answerProbe),
    renderSyntheticDataset: record("renderSyntheticDataset", functions.renderSyntheticDataset),
    planRun: record("planRun", functions.planRun),
    prepareRun: record("prepareRun", functions.prepareRun),
    trainRun: record("trainRun", functions.trainRun),
    evalRun: record("evalRun", functions.evalRun),
    exportCheckpoint: record("exportCheckpoint", functions.exportCheckpoint),
    predictRun: record("predictRun", functions.predictRun),
    scoreRun: record("scoreRun", functions.scoreRun),
  };
  const human: string[] = [];
  const progress: string[] = [];
  const json: unknown[] = [];
  const context: CommandContext = {
    output: { human: (text) => human.push(text), progress: (text) => progress.push(text), json: (value) => json.push(value) },
    logger: pino({ level: "silent" }),
    signal: stop.signal,
    workingDirectory,
    loadApp: () => Promise.resolve(recorded),
  };
  return { context, human, progress, json, calls, stop };
}

/** The values as an asynchronous stream. */
export async function* stream<T>(...values: readonly T[]): AsyncGenerator<T> {
  for (const value of values) yield await Promise.resolve(value);
}
