/** @file Rendering the synthetic dataset, stoppable. */
import { renderSyntheticDataset } from "../data/synthetic/render.ts";

export interface RenderOptions {
  readonly root: string;
  readonly clips: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly done: number; readonly total: number }) => void;
}

/** A dataset in a new folder. */
export async function renderDataset({ root, clips, seed, signal, onProgress }: RenderOptions): Promise<void> {
  await renderSyntheticDataset({
    root,
    clips,
    seed,
    onProgress: (done, total) => {
      signal.throwIfAborted();
      onProgress({ done, total });
    },
  });
}
