/**
 * @file Pictures from image files: a single one, or a folder of frames.
 *
 * sharp would also open SVG and other formats that can refer to further files, whatever the file is called. Its own
 * switch against that (`sharp.block`) acts on the whole process, in which our renderer draws SVG; so the first bytes
 * decide before sharp sees the file.
 */
import { readFile, readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import sharp from "sharp";
import { mediaError, unreadable } from "./media-error.ts";
import type { RgbImage } from "./pixels.ts";

const EXTENSIONS: ReadonlySet<string> = new Set([".jpg", ".jpeg", ".png", ".webp"]);
const MAX_FILE_BYTES = 256 << 20;
const MAX_PIXELS = 50e6;

/** Whether the name is that of a picture. */
export function isImageName(path: string): boolean {
  return EXTENSIONS.has(extname(path).toLowerCase());
}

/**
 * The picture as RGB, turned as its EXIF orientation asks; transparency is dropped, grey becomes RGB.
 *
 * @throws UserError (MediaError): not a JPEG, PNG or WebP, damaged, cut off, or too large.
 */
export async function readImage(path: string): Promise<RgbImage> {
  const { size } = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (size > MAX_FILE_BYTES) throw mediaError(path, `the picture file is too large: got ${size} bytes, at most ${MAX_FILE_BYTES} are accepted`);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (!hasImageSignature(bytes)) throw mediaError(path, "this is not a JPEG, PNG or WebP picture");
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: "warning" })
      .autoOrient()
      .toColourspace("srgb")
      .removeAlpha()
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { pixels: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), width: info.width, height: info.height };
  } catch (error) {
    throw mediaError(path, `the picture is damaged or too large (${error instanceof Error ? error.message.trim().replaceAll("\n", "; ") : String(error)})`, { cause: error });
  }
}

/**
 * Paths of the pictures directly inside a folder, in the natural order of their names (frame2 before frame10).
 *
 * @throws UserError (MediaError) when there is none.
 */
export async function listFrames(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  const names = entries.filter(isImageName);
  if (names.length === 0) throw mediaError(folder, "this is a folder without pictures, expected a video file or a folder of frames (.jpg, .png, .webp)");
  const { compare } = new Intl.Collator("en", { numeric: true });
  return names.sort(compare).map((name) => join(folder, name));
}

function hasImageSignature(bytes: Buffer): boolean {
  const isJpeg = bytes.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]));
  const isPng = bytes.subarray(0, 8).equals(Buffer.from("\x89PNG\r\n\x1a\n", "latin1"));
  const isWebp = bytes.toString("latin1", 0, 4) === "RIFF" && bytes.toString("latin1", 8, 12) === "WEBP";
  return isJpeg || isPng || isWebp;
}
