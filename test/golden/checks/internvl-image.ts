/** @file Kind internvl-image: a picture resized, normalised and cut into tiles; which grid a size gives. */
import { existsSync } from "node:fs";
import { z } from "zod";
import { readImage } from "../../../src/media/images.ts";
import { normalizePixels, resizeBicubic, type RgbImage } from "../../../src/media/pixels.ts";
import { dynamicTiles, tileGrid } from "../../../src/media/tiles.ts";
import type { Check } from "../check-set.ts";
import { absolute, bytes, exact, relative, type Comparison } from "../comparison.ts";
import type { GoldenSet } from "../golden-set.ts";

const squareSchema = z.looseObject({ name: z.string(), input_size: z.number(), uint8_png: z.string().optional(), sample_stride: z.number().optional(), channel_mean: z.array(z.number()).optional(), channel_std: z.array(z.number()).optional() });
const tilesSchema = z.looseObject({ image_size: z.number(), min_num: z.number(), max_num: z.number(), use_thumbnail: z.boolean(), count: z.number(), grid: z.tuple([z.number(), z.number()]) });
const rowSchema = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number(), z.number()]);
const schema = z.looseObject({ square: z.array(squareSchema).default([]), tiles: tilesSchema.optional(), grid_table: z.looseObject({ rows: z.array(rowSchema) }).optional() });
const PIXEL_TOLERANCE = 1e-5;

export async function checkInternvlImage(set: GoldenSet): Promise<Check[]> {
  const { square, tiles, grid_table: table } = set.json(schema);
  const image = await readImage(set.path("image.png"));
  return [
    ...square.map((one): Check => ({ name: one.name, run: () => checkSquare(set, image, one) })),
    ...(tiles === undefined ? [] : [{ name: "tiles", run: () => checkTiles(set, image, tiles) }]),
    ...(table === undefined ? [] : [{ name: "grid_table", run: () => [checkGrids(table.rows)] }]),
  ];
}

async function checkSquare(set: GoldenSet, image: RgbImage, { name, input_size: side, uint8_png: png, sample_stride: stride, channel_mean: mean, channel_std: deviation }: z.infer<typeof squareSchema>): Promise<Comparison[]> {
  const resized = resizeBicubic(image, { width: side, height: side });
  const comparisons: Comparison[] = [];
  if (png !== undefined && existsSync(set.path(png))) comparisons.push(bytes(png, resized.pixels, (await readImage(set.path(png))).pixels));
  if (set.has(`${name}.uint8`)) comparisons.push(bytes(`${name}.uint8`, resized.pixels, set.tensor(`${name}.uint8`).dataSync()));
  const pixels = channelsFirst(normalizePixels(resized.pixels));
  if (set.has(`${name}.pixel_values`)) comparisons.push(absolute(`${name}.pixel_values`, { actual: pixels, expected: set.tensor(`${name}.pixel_values`).dataSync(), tolerance: PIXEL_TOLERANCE }));
  if (set.has(`${name}.sample`) && stride !== undefined) {
    const sampled = pixels.filter((_, i) => Math.floor(i / side) % side % stride === 0 && (i % side) % stride === 0);
    comparisons.push(absolute(`${name}.sample`, { actual: sampled, expected: set.tensor(`${name}.sample`).dataSync(), tolerance: PIXEL_TOLERANCE }));
  }
  const channels = [0, 1, 2].map((channel) => pixels.slice(channel * side * side, (channel + 1) * side * side));
  mean?.forEach((value, channel) => comparisons.push(relative(`${name}.channel_mean.${channel}`, meanOf(channels[channel] ?? []), value)));
  deviation?.forEach((value, channel) => comparisons.push(relative(`${name}.channel_std.${channel}`, deviationOf(channels[channel] ?? []), value)));
  return comparisons;
}

function checkTiles(set: GoldenSet, image: RgbImage, expected: z.infer<typeof tilesSchema>): Comparison[] {
  const { image_size: imageSize, min_num: minTiles, max_num: maxTiles, use_thumbnail: hasThumbnail, count, grid } = expected;
  const options = { imageSize, minTiles, maxTiles, thumbnail: hasThumbnail ? "last" : "none" } as const;
  const tiles = dynamicTiles(image, options);
  const { columns, rows } = tileGrid(image, options);
  return [
    exact("tiles.count and grid", [tiles.length, columns, rows], [count, ...grid]),
    ...set.names(/^tiles\.uint8$/).map((name) => bytes(name, Uint8Array.from(tiles.flatMap(({ pixels }) => [...pixels])), set.tensor(name).dataSync())),
    ...set.names(/^tiles\.pixel_values\.\d+$/).map((name) => {
      const tile = tiles[Number(name.split(".").at(-1))];
      return absolute(name, { actual: channelsFirst(normalizePixels(tile?.pixels ?? new Uint8Array())), expected: set.tensor(name).dataSync(), tolerance: PIXEL_TOLERANCE });
    }),
  ];
}

function checkGrids(rows: readonly z.infer<typeof rowSchema>[]): Comparison {
  const grids = rows.map(([width, height, minTiles, maxTiles, imageSize]) => tileGrid({ width, height }, { imageSize, minTiles, maxTiles }));
  return exact("grid_table", grids.map(({ columns, rows: rowCount }) => `${columns}x${rowCount}`), rows.map(([, , , , , columns, rowCount]) => `${columns}x${rowCount}`));
}

function channelsFirst(pixels: Float32Array): Float32Array {
  const size = pixels.length / 3;
  return Float32Array.from({ length: pixels.length }, (_, i) => pixels[(i % size) * 3 + Math.floor(i / size)] ?? NaN);
}

function meanOf(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** The sample's own standard deviation, without torch's correction. */
function deviationOf(values: ArrayLike<number>): number {
  const mean = meanOf(values);
  return Math.sqrt(meanOf(Array.from(values, (value) => (value - mean) ** 2)));
}
