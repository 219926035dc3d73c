import { expect, test } from "vitest";
import { dynamicTiles, tileGrid } from "../../src/media/tiles.ts";

// Tiles and grids of the original code: test/golden/checks/internvl-image.ts.

const LIMITS = { imageSize: 2, minTiles: 1, maxTiles: 6 };

test("tiles are cut row by row, the whole picture follows last", () => {
  // 4 x 2 pixels at the size of the grid 2 x 1: nothing is resized but the thumbnail.
  const image = { pixels: Uint8Array.from([0, 1, 2, 3, 10, 11, 12, 13].flatMap((v) => [v, v, v])), width: 4, height: 2 };

  const tiles = dynamicTiles(image, { ...LIMITS, thumbnail: "last" });

  expect(tiles.map(({ width, height }) => [width, height])).toEqual([[2, 2], [2, 2], [2, 2]]);
  expect(tiles.slice(0, 2).map(({ pixels }) => [...pixels].filter((_, i) => i % 3 === 0))).toEqual([[0, 1, 10, 11], [2, 3, 12, 13]]);
  expect(dynamicTiles(image, { ...LIMITS, thumbnail: "none" }).length).toBe(2);
});

test("one tile has no thumbnail", () => {
  const image = { pixels: new Uint8Array(3 * 3 * 3).fill(7), width: 3, height: 3 };

  expect(dynamicTiles(image, { ...LIMITS, thumbnail: "last", maxTiles: 1 }).length).toBe(1);
});

test("of grids with the same proportions the larger one needs a picture that fills half of it", () => {
  const square = (side: number) => tileGrid({ width: side, height: side }, { imageSize: 448, minTiles: 1, maxTiles: 4 });

  // 2 x 2 tiles have 802816 pixels: a side above 633.5 fills half of them.
  expect(square(633)).toEqual({ columns: 1, rows: 1 });
  expect(square(634)).toEqual({ columns: 2, rows: 2 });
});
