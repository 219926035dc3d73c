import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSafetensors } from "../../../src/model/checkpoints/safetensors.ts";
import { writeSafetensors } from "../../../src/model/checkpoints/write-safetensors.ts";
import { goldenPath } from "../../golden/golden.ts";
import { temporaryFolder } from "../../temporary-folder.ts";

interface ExpectedTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

test("every type of the golden file is read with its exact values", async () => {
  const expected = JSON.parse(await readFile(goldenPath("safetensors-dtypes", "expected.json"), "utf8")) as { tensors: Record<string, ExpectedTensor> };

  const file = await openSafetensors(goldenPath("safetensors-dtypes", "tensors.safetensors"));

  expect([...file.names].sort()).toEqual(Object.keys(expected.tensors).sort());
  expect(file.names.length).toBe(11);
  for (const [name, { dtype, shape, values }] of Object.entries(expected.tensors)) {
    expect(file.info(name)).toMatchObject({ dtype, shape });
    const read = Array.from(await file.read(name), Number);
    expect(read, name).toEqual(dtype === "F32" ? Array.from(Float32Array.from(values)) : values);
  }
  await file.close();
});

test("float16 and bfloat16 specials are widened bit for bit", async () => {
  const path = join(await temporaryFolder(), "halves.safetensors");
  // 0x0001 smallest subnormal 2^-24, 0x03ff largest subnormal 1023 * 2^-24, 0x0400 2^-14, 0x7bff 65504, infinities, NaN.
  const bits = Uint16Array.of(0x0001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00, 0x8000);
  await writeRaw(path, { half: { dtype: "F16", shape: [9], data_offsets: [0, 18] }, brain: { dtype: "BF16", shape: [2], data_offsets: [18, 22] } }, [
    new Uint8Array(bits.buffer),
    Uint8Array.of(0x80, 0x3f, 0x80, 0xff),
  ]);

  const file = await openSafetensors(path);

  expect([...(await file.readFloats("half"))]).toEqual([2 ** -24, 1023 * 2 ** -24, 2 ** -14, 65504, -65504, Infinity, -Infinity, NaN, -0]);
  expect([...(await file.readFloats("brain"))]).toEqual([1, -Infinity]);
  await file.close();
});

test("the integer types that the golden file lacks are read, too", async () => {
  const path = join(await temporaryFolder(), "integers.safetensors");
  const parts = { i8: Int8Array.of(-1, 127), u16: Uint16Array.of(65535, 1), u32: Uint32Array.of(4294967295), u64: BigUint64Array.of(18446744073709551615n) };
  const dtypes = { i8: "I8", u16: "U16", u32: "U32", u64: "U64" };
  let position = 0;
  const header = Object.entries(parts).map(([name, values]) => [name, { dtype: dtypes[name as keyof typeof dtypes], shape: [values.length], data_offsets: [position, (position += values.byteLength)] }]);
  await writeRaw(path, Object.fromEntries(header) as object, Object.values(parts).map((values) => new Uint8Array(values.buffer)));

  const file = await openSafetensors(path);

  for (const [name, values] of Object.entries(parts)) expect(await file.read(name)).toEqual(values);
  await expect(file.readFloats("u16")).rejects.toThrow('tensor "u16" holds Uint16Array values, expected floating-point numbers');
  await file.close();
});

test("a float32 tensor at an odd byte offset behind a padded header is read", async () => {
  const path = join(await temporaryFolder(), "odd.safetensors");
  await writeRaw(
    path,
    { a: { dtype: "U8", shape: [1], data_offsets: [0, 1] }, b: { dtype: "F32", shape: [2], data_offsets: [1, 9] } },
    [Uint8Array.of(7), new Uint8Array(Float32Array.of(1.5, -2).buffer)],
    "     \n ",
  );

  const file = await openSafetensors(path);

  expect([...(await file.read("b"))]).toEqual([1.5, -2]);
  await file.close();
});

test("what is written is read back, sorted by name, with aligned data and metadata", async () => {
  const path = join(await temporaryFolder(), "w.safetensors");

  await writeSafetensors(
    path,
    [
      { name: "z", shape: [2, 1], data: () => Promise.resolve(Float32Array.of(1, 2)) },
      { name: "a", shape: [], data: Int32Array.of(-3) },
      { name: "__proto__", shape: [0], data: new Float32Array(0) },
    ],
    { format: "pt" },
  );

  const file = await openSafetensors(path);
  expect(file.metadata).toEqual({ format: "pt" });
  expect([...file.names].sort()).toEqual(["__proto__", "a", "z"]);
  expect(await file.read("z")).toEqual(Float32Array.of(1, 2));
  expect(await file.read("a")).toEqual(Int32Array.of(-3));
  expect(file.info("z").shape).toEqual([2, 1]);
  await file.close();
  expect((await readFile(path)).readUInt32LE(0) % 8).toBe(0);
});

test("a write that fails half-way leaves the old file and no temporary file", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "w.safetensors");
  await writeSafetensors(path, [{ name: "a", shape: [1], data: Float32Array.of(1) }]);
  const full = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });

  const failed = writeSafetensors(path, [{ name: "a", shape: [1], data: () => Promise.reject(full) }]);

  await expect(failed).rejects.toThrow(`SystemError ${path}: the disk is full.`);
  expect(await readdir(folder)).toEqual(["w.safetensors"]);
  const file = await openSafetensors(path);
  expect(await file.read("a")).toEqual(Float32Array.of(1));
  await file.close();
});

const f32 = (shape: readonly number[], begin: number, end: number): object => ({ dtype: "F32", shape, data_offsets: [begin, end] });

const HOSTILE: readonly (readonly [title: string, header: unknown, dataBytes: number, message: string])[] = [
  ["shape larger than its bytes", { a: f32([2 ** 40], 0, 4) }, 4, 'tensor "a": Got 4 bytes, expected 4398046511104 for F32 [1099511627776]'],
  ["product that overflows", { a: f32([2 ** 50, 2 ** 50, 2 ** 50], 0, 4) }, 4, 'tensor "a": Got 4 bytes, expected 5.70'],
  ["data outside the file", { a: f32([1000], 0, 4000) }, 8, 'tensor "a": ends at data byte 4000, but the file holds 8'],
  ["overlap", { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, 'tensor "b": starts at data byte 4 and overlaps the tensor that ends at 8'],
  ["gap", { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, 'tensor "b": starts at data byte 8, expected 4 (a gap)'],
  ["trailing bytes", { a: f32([1], 0, 4) }, 8, "4 bytes after the last tensor belong to none"],
  ["offsets backwards", { a: f32([1], 4, 0) }, 4, 'tensor "a": Got -4 bytes, expected 4'],
  ["negative side", { a: f32([-1], 0, 4) }, 4, 'tensor "a": shape.0'],
  ["fraction", { a: f32([1.5], 0, 6) }, 6, 'tensor "a": shape.0'],
  ["unknown type", { a: { dtype: "F8", shape: [1], data_offsets: [0, 1] } }, 1, 'tensor "a": dtype'],
  ["entry that is no object", { a: 5 }, 0, 'tensor "a"'],
  ["metadata with numbers", { __metadata__: { n: 1 } }, 0, "__metadata__ is not a table of strings"],
  ["array", [1, 2], 0, "the header is not a JSON object"],
];

test.each(HOSTILE)("a header is refused: %s", async (_title, header, dataBytes, message) => {
  const path = join(await temporaryFolder(), "hostile.safetensors");
  await writeRaw(path, header, [new Uint8Array(dataBytes)]);

  await expect(openSafetensors(path)).rejects.toThrow(`CheckpointError ${path}: ${message}`);
});

test("a file too short, a header longer than the file, and bytes that are no JSON are refused", async () => {
  const path = join(await temporaryFolder(), "short.safetensors");
  const open = async (bytes: Uint8Array): Promise<unknown> => {
    await writeFile(path, bytes);
    return openSafetensors(path);
  };

  await expect(open(Uint8Array.of(1, 2, 3))).rejects.toThrow("Got 3 bytes, expected at least the 8 bytes of the header length");
  await expect(open(new Uint8Array(20).fill(0xff))).rejects.toThrow("header length is 18446744073709551615 bytes, expected at most 12");
  await expect(open(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe))).rejects.toThrow("the header is not a JSON object");
  await expect(open(Buffer.from("version https://git-lfs\noid sha256:00\nsize 5\n"))).rejects.toThrow(`CheckpointError ${path}: Got a Git LFS pointer of 45 bytes, expected the file that it stands for.\n  Fetch it: git lfs pull in the model's folder.`);
  await expect(openSafetensors(`${path}.absent`)).rejects.toThrow("no such file or folder");
});

test("a file that shrinks after it was opened gives an error, not zeros", async () => {
  const path = join(await temporaryFolder(), "shrinks.safetensors");
  await writeSafetensors(path, [{ name: "a", shape: [1024], data: new Float32Array(1024).fill(1) }]);
  const file = await openSafetensors(path);
  await writeFile(path, (await readFile(path)).subarray(0, 200));

  await expect(file.read("a")).rejects.toThrow("the file ends at byte 200");
  await file.close();
});

/** A file with any header, honest or not. */
async function writeRaw(path: string, header: unknown, data: readonly Uint8Array[], padding = ""): Promise<void> {
  const json = Buffer.from(JSON.stringify(header) + padding, "utf8");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  await writeFile(path, Buffer.concat([length, json, ...data]));
}
