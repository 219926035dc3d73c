/** @file What the command line can ask for. */
export { checkRun, type CheckEvent, type CheckReport } from "./check-run.ts";
export { buildRun, type BuildRunOptions, exportRun } from "./data-build.ts";
export { answerProbe, type BackendReport, type DoctorEvent, type DoctorOptions, type DoctorReport, examine } from "../doctor/index.ts";
export { exportCheckpoint, type ExportFormat, type ExportOptions, type ExportResult } from "./export-checkpoint.ts";
export { evalRun, type EvalEvent, type EvalOptions } from "./eval-run.ts";
export { type PlannedDevice, planRun, type PlanOptions, type RunPlan } from "./plan-run.ts";
export type { PlannedStage } from "./prepare-stage.ts";
export { previewReasons, type ReasonsEvent, type ReasonsPreview, type ReasonsResult, writeReasons } from "../rationales/write-reasons.ts";
export { type PrepareEvent, type PrepareOptions, prepareRun, type Shard } from "./prepare-run.ts";
export { type Answer, predictRun, type PredictOptions, type PredictResult } from "./predict-run.ts";
export { scoreRun, type ScoreEvent, type ScoreOptions } from "./score-run.ts";
export { trainRun, type TrainOptions } from "./train-run.ts";
export { renderSyntheticDataset } from "../data/synthetic/render.ts";
