/** @file OpenFace's CSV output (1.x, 2.0, 2.2; video or single image) as frames of action units. */
import { openCsv } from "../files/csv.ts";
import type { CsvRow } from "../files/csv.ts";

export interface FaceFrame {
  /** Line of the file. */
  readonly line: number;
  /** Seconds; 0 for a single image. */
  readonly timestamp: number;
  readonly confidence: number;
  /** AUxx_r: 0 absent, 5 strongest, of the units that have it. */
  readonly intensity: ReadonlyMap<string, number>;
  /** AUxx_c: the units that the classifier sees. */
  readonly present: ReadonlySet<string>;
  /** Every unit with a classifier in this file. */
  readonly classified: ReadonlySet<string>;
}

export interface FaceTrack {
  /** Frames with a face, in file order; of several faces in one frame the one seen most surely. */
  readonly frames: readonly FaceFrame[];
  /** Rows in the file, and those that were cut off or without numbers. */
  readonly rows: number;
  readonly broken: readonly { readonly line: number; readonly what: string }[];
  readonly severalFaces: boolean;
}

/**
 * Reads a file. Header names decide, separators and column order vary. Rows without success or below `minConfidence` are
 * left out; the units of the others stay as written.
 *
 * @throws UserError - DataError when the header is none of OpenFace's with action units.
 */
export async function readOpenFace(path: string, minConfidence: number): Promise<FaceTrack> {
  const csv = await openCsv(path, ["confidence", "AU12_r"]);
  const units = (kind: string): string[] => csv.columns.flatMap((name) => new RegExp(`^(AU\\d\\d)_${kind}$`).exec(name)?.[1] ?? []);
  const [measured, classified] = [units("r"), units("c")];
  const [hasSuccess, hasFrame] = [csv.columns.includes("success"), csv.columns.includes("frame")];
  const broken: { line: number; what: string }[] = [];
  const frames: FaceFrame[] = [];
  let rows = 0;
  let severalFaces = false;
  let lastKey: string | undefined;
  for await (const row of csv.rows) {
    rows += 1;
    if (row.kind === "fault") {
      broken.push({ line: row.line, what: row.what });
      continue;
    }
    if (hasSuccess && row.number("success") === 0) continue; // what else is in such a row means nothing
    const read = readFrame(row, { measured, classified });
    if (typeof read === "string") {
      broken.push({ line: row.line, what: read });
      continue;
    }
    if ((hasSuccess && row.number("success") !== 1) || read.confidence < minConfidence) continue;
    // A file whose frames are all numbered 0 exists: the time stamp tells frames apart. An image's rows are faces of one frame.
    const key = hasFrame ? `${row.cell("frame")} ${row.cell("timestamp")}` : "image";
    const before = frames.at(-1);
    if (before === undefined || key !== lastKey) frames.push(read);
    else {
      severalFaces = true;
      if (read.confidence > before.confidence) frames[frames.length - 1] = read;
    }
    lastKey = key;
  }
  return { frames, rows, broken, severalFaces };
}

function readFrame(row: CsvRow, { measured, classified }: { readonly measured: readonly string[]; readonly classified: readonly string[] }): FaceFrame | string {
  const confidence = row.number("confidence");
  const intensity = new Map(measured.map((unit) => [unit, row.number(`${unit}_r`)]));
  const classes = classified.map((unit) => [unit, row.number(`${unit}_c`)] as const);
  const wrong = Number.isNaN(confidence) ? "confidence" : ([...intensity, ...classes].find(([, value]) => Number.isNaN(value))?.[0] ?? undefined);
  if (wrong !== undefined) return `${wrong} is no number`;
  return {
    line: row.line,
    timestamp: row.number("timestamp") || 0,
    confidence,
    intensity,
    present: new Set(classes.flatMap(([unit, value]) => (value >= 0.5 ? [unit] : []))),
    classified: new Set(classified),
  };
}
