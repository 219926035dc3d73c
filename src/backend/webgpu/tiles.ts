/** @file Which tile a product is cut into. */
import { invariant } from "../../core/errors.ts";
import { threadsOf, type TileShape, workgroupBytes } from "./matmul-program.ts";

export interface ResultSize {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
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

/** From here on few workgroups would be at it for long. */
const DEEP = 4096;

/** Workgroups that keep a large GPU busy. */
const ENOUGH = 96;

type WorkgroupLimits = Pick<GPUSupportedLimits, "maxComputeWorkgroupStorageSize" | "maxComputeInvocationsPerWorkgroup">;

export function tileFor(limits: WorkgroupLimits, size: ResultSize): TileShape {
  const fitting = TILES.filter((tile) => fits(limits, tile));
  const smallest = fitting.at(-1);
  const isDeep = smallest !== undefined && size.depth >= DEEP && countOf(smallest, size) < ENOUGH;
  if ((Math.min(size.rows, size.columns) <= THIN.rows || isDeep) && fits(limits, THIN)) return THIN;
  const chosen = fitting.find((tile) => countOf(tile, size) >= ENOUGH) ?? smallest;
  invariant(chosen !== undefined, () => "the device has too little workgroup memory for a product");
  return chosen;
}

/** Whether a device has the workgroup memory and the threads for it. */
export function fits(limits: WorkgroupLimits, tile: TileShape): boolean {
  return workgroupBytes(tile) <= limits.maxComputeWorkgroupStorageSize && threadsOf(tile) <= limits.maxComputeInvocationsPerWorkgroup;
}

function countOf(tile: TileShape, size: ResultSize): number {
  return groupsOf(tile, size).reduce((product, count) => product * count, 1);
}

/** Workgroups along columns, rows and batch. */
export function groupsOf(tile: Pick<TileShape, "rows" | "columns">, { rows, columns, batch }: Omit<ResultSize, "depth">): [number, number, number] {
  return [Math.ceil(columns / tile.columns), Math.ceil(rows / tile.rows), batch];
}
