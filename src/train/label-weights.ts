/** @file What labels count in a stage's loss: an answer's 1, a prompt's `promptWeight`. */
import type { Batch } from "../curriculum/batch.ts";

/** The weight of every one of these positions of a batch, which are supervised. */
export function labelWeights({ rows, length }: Pick<Batch, "rows" | "length">, positions: Int32Array, promptWeight: number): Float32Array {
  return Float32Array.from(positions, (position) => {
    const row = rows[Math.floor(position / length)];
    const segment = row?.segments[(row.segmentIds[position % length] ?? 0) - 1];
    if (segment?.answerTokens === undefined) return promptWeight;
    // The token before an answer predicts its first one, and the last one predicts nothing.
    const firstLabel = segment.start + segment.length - 1 - segment.answerTokens;
    return position % length >= firstLabel ? 1 : promptWeight;
  });
}
