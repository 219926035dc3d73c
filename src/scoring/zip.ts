/** @file A ZIP archive of a few small files: deflated, without folders, the same bytes for the same content. */
import { deflateRawSync } from "node:zlib";

export interface ZipEntry {
  /** ASCII, no folder. */
  readonly name: string;
  readonly content: Uint8Array;
}

/** @see PKWARE APPNOTE 6.3, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (its end). */
export function zipFiles(entries: readonly ZipEntry[]): Buffer {
  let offset = 0;
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  for (const { name, content } of entries) {
    const data = deflateRawSync(content);
    const common = commonFields({ crc: crc32(content), compressed: data.length, size: content.length, nameLength: name.length });
    const nameBytes = Buffer.from(name, "ascii");
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004", "latin1"), common, nameBytes, data]);
    parts.push(local);
    directory.push(Buffer.concat([Buffer.from("PK\u0001\u0002", "latin1"), word(VERSION), common, Buffer.alloc(10), doubleWord(offset), nameBytes]));
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.concat([Buffer.from("PK\u0005\u0006", "latin1"), Buffer.alloc(4), word(entries.length), word(entries.length), doubleWord(central.length), doubleWord(offset), word(0)]);
  return Buffer.concat([...parts, central, end]);
}

/** 2.0, the first that knows deflate. */
const VERSION = 20;
const DEFLATE = 8;
/** 1980-01-01, the first day of the format: a date would make two equal archives differ. */
const DATE = 0x21;

/** What local header and directory have in common: from the version that is needed to the length of the extra field. */
function commonFields({ crc, compressed, size, nameLength }: { readonly crc: number; readonly compressed: number; readonly size: number; readonly nameLength: number }): Buffer {
  return Buffer.concat([word(VERSION), word(0), word(DEFLATE), word(0), word(DATE), doubleWord(crc), doubleWord(compressed), doubleWord(size), word(nameLength), word(0)]);
}

function word(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16LE(value);
  return buffer;
}

function doubleWord(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

function crc32(content: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of content) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}
