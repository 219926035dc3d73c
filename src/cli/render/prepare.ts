/** @file What preparing did, as text. */
import type { PrepareEvent } from "../app.ts";
import { renderCount, renderDuration, renderMegabytes } from "./numbers.ts";

/** The backend, the cache folder, and a line for every tower that is frozen somewhere. */
export function renderPrepareStart({ backend, device, folder, frozen }: PrepareEvent & { readonly kind: "prepare-start" }): string {
  const groups = frozen.map(({ towers, stages, trainedBy }) => `${towers.join(" and ")} tower, frozen in ${stages.join(", ")}${trainedBy === undefined ? "" : `, as ${trainedBy} leaves it`}`);
  return [`backend ${backend} (${device}), cache ${folder}`, ...groups].join("\n");
}

/** `45 clips in 12.3 s: 80 features computed, 10 already there, 12 MB written to runs/a/cache`. */
export function renderPrepared({ clips, computed, present, rebuilt, unreadable, bytes, seconds, folder }: PrepareEvent & { readonly kind: "prepared" }): string {
  return [
    `${renderCount(clips)} clips in ${renderDuration(seconds * 1000)}: ${renderCount(computed)} features computed`,
    `${renderCount(present)} already there`,
    ...(rebuilt === 0 ? [] : [`${renderCount(rebuilt)} damaged and computed again`]),
    ...(unreadable === 0 ? [] : [`${renderCount(unreadable)} clips unreadable`]),
    `${renderMegabytes(bytes / 1e6)} written to ${folder}`,
  ].join(", ");
}
