/** @file The synthetic dataset, rendered when a config asks for one that is not there yet. */
import { readdir } from "node:fs/promises";
import type { RunConfig } from "../../config/index.ts";
import { UserError } from "../../core/errors.ts";
import { isMissing } from "../../core/files.ts";
import { readDatasetInfo } from "../../data/dataset.ts";
import type { CommandContext } from "../context.ts";
import { renderDuration } from "../render/numbers.ts";

/**
 * Renders `data.synthetic` into `data.root` unless a dataset is there; one of another size or seed is used with a warning.
 *
 * @throws UserError - DataError when the folder holds something that is no whole rendered dataset.
 */
export async function ensureDataset({ data: { root, synthetic } }: Pick<RunConfig, "data">, context: CommandContext): Promise<void> {
  if (synthetic === undefined) return;
  if (await isAbsentOrEmpty(root)) return renderDataset({ root, ...synthetic }, context);
  const info = await readDatasetInfo(root);
  if (info === undefined) {
    throw new UserError({ kind: "DataError", where: root, what: "no dataset.json here: rendering into this folder was cut short, or the dataset in it is of another origin", hint: "Delete the folder and run the command again. For a dataset of your own set data.synthetic: null." });
  }
  const clips = Object.values(info.counts).reduce((sum, { utterances }) => sum + utterances, 0);
  if (clips === synthetic.clips && info.seed === synthetic.seed) return;
  const message = `data.synthetic asks for ${synthetic.clips} clips of seed ${synthetic.seed}, but ${root} holds ${clips} of ${info.seed === undefined ? "no seed" : `seed ${info.seed}`}, which are used; delete the folder to render anew`;
  context.output.human(`warning: ${message}`);
  context.output.json({ kind: "warning", message });
}

async function isAbsentOrEmpty(folder: string): Promise<boolean> {
  return readdir(folder).then(
    (entries) => entries.length === 0,
    isMissing,
  );
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
