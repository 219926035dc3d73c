/** @file What the commands ask of the application: plain options in, events and results out. */
import type { BackendName, InputModality, RunConfig } from "../config/index.ts";
import type { StagePlan } from "../curriculum/plan.ts";
import type { Split } from "../data/record.ts";
import type { ScoresFile } from "../eval/score.ts";
import type { TaskName } from "../tasks/task.ts";
import type { RunEvent } from "../train/events.ts";

export interface App {
  readonly renderSyntheticDataset: (options: SyntheticOptions) => Promise<unknown>;
  readonly planRun: (options: PlanOptions) => Promise<RunPlan>;
  /** Ends after an `interrupted` event when the signal fires; the checkpoint is saved by then. */
  readonly trainRun: (options: TrainOptions) => AsyncIterable<RunEvent>;
  readonly evalRun: (options: EvalOptions) => AsyncIterable<EvalEvent>;
  readonly predictRun: (options: PredictOptions) => Promise<readonly Answer[]>;
}

export interface SyntheticOptions {
  readonly root: string;
  readonly clips: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly done: number; readonly total: number }) => void;
}

export interface PlanOptions {
  readonly config: RunConfig;
  /** Names, in order. */
  readonly stages: readonly string[];
  readonly signal: AbortSignal;
}

export interface TrainOptions extends PlanOptions {
  readonly runDir: string;
  readonly resume: boolean;
}

export interface EvalOptions {
  /** A run directory (its last stage's checkpoint, or the best one) or a checkpoint folder. */
  readonly source: { readonly runDir: string } | { readonly checkpoint: string };
  readonly tasks: readonly TaskName[];
  /** What is absent comes from the run's config. */
  readonly split?: Split;
  readonly decode?: "auto" | "score" | "generate";
  readonly modalities?: readonly InputModality[];
  readonly backend?: BackendName;
  /** At most this many samples per task. */
  readonly limit?: number;
  readonly signal: AbortSignal;
}

export interface PredictOptions {
  readonly checkpoint: string;
  readonly video: string;
  readonly text: string;
  readonly tasks: readonly TaskName[];
  readonly backend?: BackendName;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly task: TaskName;
  readonly response: string;
}

/** What a training run would do. */
export interface RunPlan {
  readonly stages: readonly StagePlan[];
}

export type EvalEvent =
  | { readonly kind: "evaluation-start"; readonly backend: string; readonly device: string; readonly checkpoint: string; readonly split: Split }
  | { readonly kind: "evaluation-progress"; readonly task: TaskName; readonly done: number; readonly total: number }
  | { readonly kind: "scores"; readonly scores: ScoresFile }
  | { readonly kind: "warning"; readonly message: string };
