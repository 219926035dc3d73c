/** @file The synthetic dataset, rendered when a config asks for one that is not there yet. */
import { existsSync } from "node:fs";
import type { RunConfig } from "../../config/index.ts";
import type { CommandContext } from "../context.ts";
import { renderDuration } from "../render/numbers.ts";

/** Renders `data.synthetic` into `data.root` unless that folder exists. */
export async function ensureDataset({ data }: Pick<RunConfig, "data">, context: CommandContext): Promise<void> {
  if (data.synthetic === undefined || existsSync(data.root)) return;
  await renderDataset({ root: data.root, ...data.synthetic }, context);
}

export interface DatasetFlags {
  readonly root: string;
  readonly clips: number;
  readonly seed: number;
}

/** Renders a dataset and says how it goes. */
export async function renderDataset({ root, clips, seed }: DatasetFlags, { output, signal, loadApp }: CommandContext): Promise<void> {
  const { renderSyntheticDataset } = await loadApp();
  const started = Date.now();
  output.human(`rendering ${clips} clips into ${root}`);
  const onProgress = ({ done, total }: { readonly done: number; readonly total: number }): void => {
    const elapsed = Date.now() - started;
    output.progress(`clips ${done}/${total}  ${rate(done, elapsed)}  ETA ${renderDuration((elapsed / Math.max(1, done)) * (total - done))}`);
  };
  await renderSyntheticDataset({ root, clips, seed, signal, onProgress });
  const milliseconds = Date.now() - started;
  output.human(`rendered ${clips} clips in ${renderDuration(milliseconds)} (${rate(clips, milliseconds)})`);
  output.json({ kind: "dataset", root, clips, seed, milliseconds });
}

function rate(clips: number, milliseconds: number): string {
  return `${((clips * 1000) / Math.max(1, milliseconds)).toFixed(1)} clips/s`;
}
