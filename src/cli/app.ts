/** @file The application as the commands know it; it is loaded when a command first needs it. */
import type * as application from "../app/index.ts";

export type { Answer, BackendReport, CheckReport, DoctorReport, EvalEvent, EvalOptions, ExportResult, PlannedStage, PlanOptions, PredictOptions, PrepareEvent, ReasonsEvent, ReasonsPreview, ReasonsResult, Shard, TrainOptions } from "../app/index.ts";

export type App = typeof application;
export type RunPlan = Awaited<ReturnType<App["planRun"]>>;
