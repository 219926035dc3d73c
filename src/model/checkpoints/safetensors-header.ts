/** @file The JSON header of a safetensors file: names, types, shapes, byte ranges; every claim is checked. */
import { z } from "zod";
import { UserError } from "../../core/errors.ts";

/** Bytes per element of the types that are read. */
export const ITEM_BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 } as const;
export type Dtype = keyof typeof ITEM_BYTES;

/** Whether a tensor of this type can be a weight. */
export function isFloating(dtype: Dtype): boolean {
  return dtype === "F64" || dtype === "F32" || dtype === "F16" || dtype === "BF16";
}

export interface TensorEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Bytes, counted from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

const size = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const dtypeSchema = z.enum(["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"]) satisfies z.ZodType<Dtype>;
const entrySchema = z.object({ dtype: dtypeSchema, shape: z.array(size), data_offsets: z.tuple([size, size]) });
const metadataSchema = z.record(z.string(), z.string());

/**
 * Tensors in file order. The data must be covered without gap or overlap, as the format demands.
 *
 * @param bytes - the header without its length; blanks may follow the JSON.
 * @throws UserError - CheckpointError with every faulty tensor (at most ten).
 */
export function parseHeader(bytes: Uint8Array, { dataBytes, where }: { dataBytes: number; where: string }): Header {
  const problems: string[] = [];
  const entries: [string, TensorEntry][] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(parseJsonObject(bytes, where))) {
    if (name === "__metadata__") {
      const parsed = metadataSchema.safeParse(value);
      if (parsed.success) metadata = parsed.data;
      else problems.push("__metadata__ is not a table of strings");
      continue;
    }
    const entry = parseEntry(value);
    if (typeof entry === "string") problems.push(`tensor "${name}": ${entry}`);
    else entries.push([name, entry]);
  }
  entries.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  if (problems.length === 0) problems.push(...layoutProblems(entries, dataBytes));
  if (problems.length > 0) throw headerError(problems, where);
  return { entries: new Map(entries), metadata };
}

function parseJsonObject(bytes: Uint8Array, where: string): object {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    throw new Error("not a JSON object");
  } catch (error) {
    throw headerError([`the header is not a JSON object (${error instanceof Error ? error.message.slice(0, 80) : "unreadable"})`], where, error);
  }
}

/** The entry, or what is wrong with it. */
function parseEntry(value: unknown): TensorEntry | string {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "malformed"}`;
  }
  const { dtype, shape } = parsed.data;
  const [begin, end] = parsed.data.data_offsets;
  const expected = shape.reduce((product, side) => product * side, ITEM_BYTES[dtype]);
  if (end - begin !== expected) return `Got ${end - begin} bytes, expected ${expected} for ${dtype} [${shape.join(", ")}]`;
  return { dtype, shape, begin, end };
}

function layoutProblems(entries: readonly (readonly [string, TensorEntry])[], dataBytes: number): string[] {
  const problems: string[] = [];
  let position = 0;
  for (const [name, { begin, end }] of entries) {
    if (end > dataBytes) problems.push(`tensor "${name}": ends at data byte ${end}, but the file holds ${dataBytes}`);
    else if (begin < position) problems.push(`tensor "${name}": starts at data byte ${begin} and overlaps the tensor that ends at ${position}`);
    else if (begin > position) problems.push(`tensor "${name}": starts at data byte ${begin}, expected ${position} (a gap)`);
    position = Math.max(position, end);
  }
  if (problems.length === 0 && position < dataBytes) problems.push(`${dataBytes - position} bytes after the last tensor belong to none`);
  return problems;
}

function headerError(problems: readonly string[], where: string, cause?: unknown): UserError {
  const hint = "The file is damaged or not a safetensors file: download or copy it again.";
  return new UserError(
    problems.slice(0, 10).map((what) => ({ kind: "CheckpointError", where, what, hint })),
    { cause },
  );
}
