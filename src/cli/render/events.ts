/** @file Run events as text. Pure: what is said about an event depends on the event and the pace so far. */
import type { RunEvent } from "../../train/events.ts";
import { renderCount, renderDuration, renderScore, renderShare } from "./numbers.ts";
import type { Pace } from "./pace.ts";

type StepEvent = RunEvent & { readonly kind: "step" };

/** `reasoning 120/900  loss 0.432 (erc 0.31, eri 0.52)  lr 9.8e-4  3,120 tok/s  ETA 4m 10s  1,204 MB`. */
export function renderStep({ stage, step, steps, loss, learningRate, megabytes, gpuMegabytes }: StepEvent, pace: Pace): string {
  const losses = Object.entries(pace.taskLoss).map(([task, value]) => `${task} ${value.toFixed(2)}`);
  return [
    `${stage} ${step}/${steps}`,
    `loss ${loss.toFixed(3)}${losses.length === 0 ? "" : ` (${losses.join(", ")})`}`,
    `lr ${learningRate.toExponential(1)}`,
    `${renderCount(pace.tokensPerSecond)} tok/s`,
    `ETA ${renderDuration((steps - step) * pace.millisecondsPerStep)}`,
    `${renderCount(megabytes)} MB`,
    ...(gpuMegabytes === undefined ? [] : [`GPU ${renderCount(gpuMegabytes)} MB`]),
  ].join("  ");
}

/** `reading clips 120/1,600`. */
export function renderClips({ done, total }: { readonly done: number; readonly total: number }): string {
  return `reading clips ${renderCount(done)}/${renderCount(total)}`;
}

/** `encoding clips 120/1,600`. */
export function renderEncoding({ done, total }: { readonly done: number; readonly total: number }): string {
  return `encoding clips ${renderCount(done)}/${renderCount(total)}`;
}

/** The line of an event that stays on the screen; clips and steps are progress and have none. */
export function renderEvent(event: RunEvent): string | undefined {
  switch (event.kind) {
    case "run-start":
      return `backend ${event.backend} (${event.device}), ${event.reason}; seed ${event.seed}, stages: ${event.stages.join(", ")}`;
    case "stage-start":
      return [
        `stage ${event.stage}: ${renderCount(event.steps)} steps, trains ${renderCount(event.trainableParameters)} of ${renderCount(event.totalParameters)} parameters`,
        `(${renderShare(event.trainableParameters / event.totalParameters)})${event.resumedFrom > 0 ? `, goes on after step ${event.resumedFrom}` : ""}`,
      ].join(" ");
    case "clips":
    case "encoding":
    case "step":
      return undefined;
    case "evaluation":
      return `${event.stage} ${event.step}: ${event.task} ${event.metric} ${renderScore(event.value)} on the validation split${event.best ? " (best so far)" : ""}`;
    case "checkpoint":
      return event.reason === "interval" ? undefined : `saved ${event.path}`;
    case "stage-end":
      return `stage ${event.stage} done: ${renderCount(event.step)} steps in ${renderDuration(event.seconds * 1000)}`;
    case "features":
      return `stage ${event.stage}: ${renderCount(event.computed + event.rebuilt)} features of frozen towers computed, ${renderCount(event.read)} read from the cache; media and towers by epoch: ${event.mediaSeconds.map((seconds) => renderDuration(seconds * 1000)).join(", ")}`;
    case "warning":
      return `warning: ${event.message}`;
    case "interrupted":
      return `interrupted by ${event.signal} after step ${event.step} of ${event.stage}; go on with the same command and --resume`;
    default:
      return event satisfies never;
  }
}
