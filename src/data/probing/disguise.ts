/** @file Files that bear a clip's name and are something else. */

/** What the first bytes of a file show it to be, when that is no clip; undefined otherwise. */
export function disguise(start: Buffer): string | undefined {
  const text = start.toString("latin1").replace(/^\xef\xbb\xbf/, "").trimStart();
  const known = SIGNATURES.find(({ begins }) => text.toLowerCase().startsWith(begins));
  if (known !== undefined) return known.what;
  if (start.subarray(0, 4).equals(APPLE_DOUBLE)) return "an AppleDouble stub (what macOS writes beside a file), not the file itself";
  return isText(start) ? `a text file (${JSON.stringify(text.slice(0, 30))})` : undefined;
}

const SIGNATURES: readonly { readonly begins: string; readonly what: string }[] = [
  { begins: "#extm3u", what: "a playlist (m3u), which opens other files" },
  { begins: "ffconcat", what: "a playlist (ffconcat), which opens other files" },
  { begins: "[playlist]", what: "a playlist (pls), which opens other files" },
  { begins: "<mpd", what: "a playlist (DASH), which opens other files" },
  { begins: "#!", what: "a script" },
  { begins: "<?php", what: "a script" },
  { begins: "<!doctype html", what: "a web page: the download went wrong" },
  { begins: "<html", what: "a web page: the download went wrong" },
  { begins: "<?xml", what: "an XML document" },
  { begins: "version https://git-lfs", what: "a Git LFS pointer: the clip itself was not fetched" },
  { begins: "pk\u0003\u0004", what: "a zip archive" },
  { begins: "\x7felf", what: "a program" },
];

const APPLE_DOUBLE = Buffer.from([0x00, 0x05, 0x16, 0x07]);

/** Media have bytes that no text has within their first hundred. */
function isText(start: Buffer): boolean {
  return start.length > 0 && start.subarray(0, 200).every((byte) => byte >= 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
}
