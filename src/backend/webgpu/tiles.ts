/** @file Which tile a product is cut into. */
import { invariant } from "../../core/errors.ts";
import { threadsOf, type TileShape, workgroupBytes } from "./matmul-program.ts";

export interface ResultSize {
  readonly rows: number;
  readonly columns: number;
  readonly batch: number;
}

/** From the most arithmetic per byte that is moved to the most workgroups. */
const TILES: readonly TileShape[] = [
  { rows: 128, columns: 128, depth: 16, perThread: 8, slices: 1 },
  { rows: 64, columns: 64, depth: 16, perThread: 4, slices: 1 },
  { rows: 32, columns: 32, depth: 16, perThread: 4, slices: 1 },
];

/** For results with a side of at most 16, as of adapters and of single tokens: little to compute, much to read. */
const THIN: TileShape = { rows: 16, columns: 16, depth: 64, perThread: 4, slices: 16 };

/** Workgroups that keep a large GPU busy. */
const ENOUGH = 96;

export function tileFor(limits: Pick<GPUSupportedLimits, "maxComputeWorkgroupStorageSize" | "maxComputeInvocationsPerWorkgroup">, size: ResultSize): TileShape {
  const fits = (tile: TileShape): boolean => workgroupBytes(tile) <= limits.maxComputeWorkgroupStorageSize && threadsOf(tile) <= limits.maxComputeInvocationsPerWorkgroup;
  if (Math.min(size.rows, size.columns) <= THIN.rows && fits(THIN)) return THIN;
  const fitting = TILES.filter(fits);
  const chosen = fitting.find((tile) => groupsOf(tile, size).reduce((product, count) => product * count, 1) >= ENOUGH) ?? fitting.at(-1);
  invariant(chosen !== undefined, () => "the device has too little workgroup memory for a product");
  return chosen;
}

/** Workgroups along columns, rows and batch. */
export function groupsOf(tile: Pick<TileShape, "rows" | "columns">, { rows, columns, batch }: ResultSize): [number, number, number] {
  return [Math.ceil(columns / tile.columns), Math.ceil(rows / tile.rows), batch];
}
