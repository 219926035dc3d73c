/** @file What happened, as data: written as JSON lines, rendered by the command line. */
import type { TaskName } from "../tasks/task.ts";

export type RunEvent =
  /** `reason`: why this backend. */
  | { readonly kind: "run-start"; readonly backend: string; readonly device: string; readonly reason: string; readonly stages: readonly string[]; readonly seed: number }
  | {
      readonly kind: "stage-start";
      readonly stage: string;
      readonly steps: number;
      /** Last finished step when the stage goes on from a checkpoint, else 0. */
      readonly resumedFrom: number;
      readonly trainableParameters: number;
      readonly totalParameters: number;
    }
  | {
      readonly kind: "step";
      readonly stage: string;
      readonly step: number;
      readonly steps: number;
      /** Mean over the supervised tokens of the whole step. */
      readonly loss: number;
      readonly taskLoss: Readonly<Partial<Record<TaskName, number>>>;
      readonly supervisedTokens: number;
      /** Row positions that are not padding. */
      readonly tokens: number;
      readonly learningRate: number;
      /** Before clipping. */
      readonly gradientNorm: number;
      readonly milliseconds: number;
      /** Of them for media: reading, decoding, and running towers that are not trained. */
      readonly mediaMilliseconds: number;
      readonly tensorsAlive: number;
      /** Of the process. */
      readonly megabytes: number;
      /** Allocated on the GPU, idle buffers included; absent where the backend does not tell. */
      readonly gpuMegabytes?: number;
    }
  | { readonly kind: "evaluation"; readonly stage: string; readonly step: number; readonly task: TaskName; readonly metric: string; readonly value: number; readonly best: boolean }
  | { readonly kind: "checkpoint"; readonly stage: string; readonly step: number; readonly path: string; readonly reason: "interval" | "end" | "interrupted" }
  | { readonly kind: "stage-end"; readonly stage: string; readonly step: number; readonly seconds: number; readonly checkpoint: string }
  /** Clips that frozen towers are done with, of those that the stage will show. */
  | { readonly kind: "encoding"; readonly done: number; readonly total: number }
  | {
      /** Outputs of a stage's frozen towers, one for each clip and tower, when the stage ends. */
      readonly kind: "features";
      readonly stage: string;
      readonly computed: number;
      /** Read from the disk; those of damaged files, which were computed again. */
      readonly read: number;
      readonly rebuilt: number;
      /** Reading, decoding and running frozen towers, by epoch of this run; the first with what was computed before its first step. */
      readonly mediaSeconds: readonly number[];
    }
  /** Clips that are ready of those that are needed. */
  | { readonly kind: "clips"; readonly done: number; readonly total: number }
  | { readonly kind: "warning"; readonly message: string }
  | { readonly kind: "interrupted"; readonly stage: string; readonly step: number; readonly signal: string };
