/**
 * @file A picture cut into square tiles, as InternVL's models see a single picture: a grid near its own proportions, row
 * by row, and the whole picture last. Frames of a video are one tile each.
 * @see InternVL, train/dataset.py, `dynamic_preprocess`
 */
import { resizeBicubic, type RgbImage } from "./pixels.ts";

export interface TileOptions {
  /** Side of a tile in pixels. */
  readonly imageSize: number;
  /** Fewest and most tiles, the thumbnail not counted. */
  readonly minTiles: number;
  readonly maxTiles: number;
  /** Whether the whole picture follows its tiles; never when there is one tile alone. */
  readonly thumbnail: "last" | "none";
}

export interface Grid {
  readonly columns: number;
  readonly rows: number;
}

/** The tiles in order, each imageSize square, equal to Pillow's to the bit. */
export function dynamicTiles(image: RgbImage, options: TileOptions): RgbImage[] {
  const { imageSize, thumbnail } = options;
  const grid = tileGrid(image, options);
  const resized = resizeBicubic(image, { width: grid.columns * imageSize, height: grid.rows * imageSize });
  const tiles = Array.from({ length: grid.columns * grid.rows }, (_, i) => cutSquare(resized, { side: imageSize, column: i % grid.columns, row: Math.floor(i / grid.columns) }));
  if (thumbnail === "none" || tiles.length === 1) return tiles;
  return [...tiles, resizeBicubic(image, { width: imageSize, height: imageSize })];
}

/** The allowed grid whose proportions are nearest; of equally near ones the larger, if the picture has half its pixels. */
export function tileGrid({ width, height }: Pick<RgbImage, "width" | "height">, { imageSize, minTiles, maxTiles }: Omit<TileOptions, "thumbnail">): Grid {
  let best: Grid = { columns: 1, rows: 1 };
  let smallest = Infinity;
  for (const grid of allowedGrids(minTiles, maxTiles)) {
    const difference = Math.abs(width / height - grid.columns / grid.rows);
    const isFilled = width * height > 0.5 * imageSize * imageSize * grid.columns * grid.rows;
    if (difference < smallest || (difference === smallest && isFilled)) best = grid;
    smallest = Math.min(smallest, difference);
  }
  return best;
}

/** Every grid of an allowed number of tiles, small ones first. */
function allowedGrids(minTiles: number, maxTiles: number): Grid[] {
  const sides = Array.from({ length: maxTiles }, (_, i) => i + 1);
  return sides
    .flatMap((columns) => sides.map((rows) => ({ columns, rows })))
    .filter(({ columns, rows }) => columns * rows >= minTiles && columns * rows <= maxTiles)
    .sort((a, b) => a.columns * a.rows - b.columns * b.rows);
}

function cutSquare(image: RgbImage, { side, column, row }: { side: number; column: number; row: number }): RgbImage {
  const pixels = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    const from = ((row * side + y) * image.width + column * side) * 3;
    pixels.set(image.pixels.subarray(from, from + side * 3), y * side * 3);
  }
  return { pixels, width: side, height: side };
}
