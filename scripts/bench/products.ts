/**
 * @file `npm run bench:products -- [TOKENS] [--backend webgpu:NAME]`: how fast the products of a LoRA step of Qwen2-0.5B's size are
 * in tiles of several shapes, in GFLOP/s on this card; `*` stands by the shape that webgpu/tiles.ts takes, the fastest comes first.
 */
import { backend as currentBackend, dispose, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { Command } from "commander";
import { selectBackend } from "../../src/backend/select.ts";
import { type Factors, multiply } from "../../src/backend/webgpu/matmul.ts";
import { tileName, type TileShape } from "../../src/backend/webgpu/matmul-program.ts";
import { fits, tileFor } from "../../src/backend/webgpu/tiles.ts";
import { type Column, renderTable } from "../../src/cli/render/table.ts";
import { invariant } from "../../src/core/errors.ts";
import { idleDevice } from "./backend.ts";
import { INTERNVL2_1B } from "./cases/internvl2-1b.ts";
import { noise } from "./cases/cheap-weights.ts";
import { median } from "./measure.ts";

/** Rows, columns, depth, a thread's block, slices: with more than one of them threads share the depth. */
const TILES: readonly TileShape[] = (
  [
    [128, 128, 16, 8, 1],
    [128, 128, 8, 8, 1],
    [128, 256, 8, 8, 1],
    [256, 128, 8, 8, 1],
    [64, 128, 16, 8, 1],
    [128, 64, 16, 8, 1],
    [64, 128, 32, 8, 1],
    [64, 256, 16, 8, 1],
    [64, 64, 16, 8, 1],
    [64, 64, 32, 8, 1],
    [32, 128, 16, 8, 1],
    [32, 64, 16, 8, 1],
    [64, 64, 16, 4, 1],
    [64, 64, 32, 4, 1],
    [32, 64, 16, 4, 1],
    [64, 32, 16, 4, 1],
    [32, 32, 16, 4, 1],
    [32, 32, 32, 4, 1],
    [16, 16, 64, 4, 16],
    [16, 16, 32, 4, 8],
    [16, 16, 128, 4, 16],
    [16, 32, 64, 4, 8],
    [32, 16, 64, 4, 8],
    [16, 64, 32, 4, 4],
    [64, 16, 32, 4, 4],
  ] as const
).map(([rows, columns, depth, perThread, slices]) => ({ rows, columns, depth, perThread, slices }));

interface Shape {
  readonly what: string;
  readonly a: readonly [number, number];
  readonly b: readonly [number, number];
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** Queued before the one wait, products shall take this long together. */
const QUEUE_MS = 20;
const MOST_QUEUED = 512;
const ROUNDS = 5;

const program = new Command("bench:products").argument("[tokens]", "length of the row", Number, 2048).option("--backend <name>", "webgpu, or webgpu:NAME", "webgpu").parse();
const [tokens] = program.processedArgs as [number];
console.log((await selectBackend(program.opts<{ backend: string }>().backend)).device);
const gpu = currentBackend();
invariant(gpu instanceof WebGPUBackend, () => "bench:products times webgpu alone");
const { limits } = gpu.device;

const columns: readonly Column[] = [{ title: "product" }, { title: "M x K x N" }, { title: "tiles: rows x columns x depth / block / slices, GFLOP/s" }];
const lines: string[][] = [];
for (const shape of shapesOf(tokens)) {
  lines.push(await timed(shape));
  console.error(lines.at(-1)!.join("  "));
}
console.log(renderTable(columns, lines));
process.exit();

/** Of a step: each linear layer, its gradient in x, and the adapters' products of rank 8. */
function shapesOf(rows: number): Shape[] {
  const { hidden_size: width, intermediate_size: inner, num_attention_heads: heads, num_key_value_heads: keyHeads } = INTERNVL2_1B.llm_config;
  const sides = [
    ["query, output", width, width],
    ["key, value", width, (width / heads) * keyHeads],
    ["gate, up", width, inner],
    ["down", inner, width],
  ] as const;
  const rank = 8;
  return sides.flatMap(([what, from, to]): Shape[] => [
    { what, a: [rows, from], b: [to, from], transposeB: true },
    { what: `${what}: dx`, a: [rows, to], b: [to, from] },
    { what: `${what}: A`, a: [rows, from], b: [rank, from], transposeB: true },
    { what: `${what}: dA`, a: [rows, rank], b: [rows, from], transposeA: true },
    { what: `${what}: dB`, a: [rows, to], b: [rows, rank], transposeA: true },
  ]);
}

async function timed({ what, a, b, transposeA = false, transposeB = false }: Shape): Promise<string[]> {
  const [left, right] = [random(a), random(b)];
  const [m, depth] = transposeA ? [a[1], a[0]] : a;
  const n = transposeB ? b[0] : b[1];
  const usual = tileName(tileFor(limits, { rows: m, columns: n, depth, batch: 1 }));
  const rates: { readonly name: string; readonly rate: number }[] = [];
  for (const tile of TILES.filter((candidate) => fits(limits, candidate))) rates.push({ name: tileName(tile), rate: (2 * m * depth * n) / (await milliseconds({ a: left, b: right, transposeA, transposeB }, tile)) / 1e6 });
  dispose([left, right]);
  const sorted = rates.sort((one, other) => other.rate - one.rate);
  return [what, `${m} x ${depth} x ${n}`, sorted.map(({ name, rate }) => `${name === usual ? "*" : ""}${name} ${rate.toPrecision(3)}`).join(", ")];
}

function random(shape: readonly [number, number]): Tensor {
  return tensor(noise(shape[0] * shape[1]), [...shape]);
}

/** Of one product: the median of several queues of them. */
async function milliseconds(factors: Factors & { readonly a: Tensor; readonly b: Tensor }, tile: TileShape): Promise<number> {
  let count = 1;
  await queue(factors, tile, count); // compiles the shader
  while ((await queue(factors, tile, count)) < QUEUE_MS && count < MOST_QUEUED) count *= 2;
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push((await queue(factors, tile, count)) / count);
  return median(times);
}

/** Every product goes into the same result: the device takes them one by one. */
async function queue(factors: Factors, tile: TileShape, count: number): Promise<number> {
  invariant(gpu instanceof WebGPUBackend, () => "another backend");
  const started = performance.now();
  const result = multiply(gpu, { ...factors, tile });
  for (let i = 1; i < count; i++) multiply(gpu, { ...factors, tile, into: { tensor: result, adds: false } });
  await idleDevice();
  gpu.disposeData(result.dataId);
  return performance.now() - started;
}
