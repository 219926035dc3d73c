/** @file The public surface of doctor. */
export { examine, type DoctorEvent, type DoctorOptions } from "./examine.ts";
export type { BackendReport, DoctorProblem, DoctorReport } from "./report.ts";
export { answerProbe, type ProbeAnswer } from "./self-test.ts";
export { quickRate } from "./matmul-rate.ts";
