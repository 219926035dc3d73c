/**
 * @file Windows-1252 where it differs from Latin-1: the 27 printable characters between 0x80 and 0x9F. Node's own decoder
 * of that name leaves them as control characters in some versions.
 */

/** 0x80 to 0x9F; the five that Windows-1252 does not use stay what they are. */
const CHARACTERS = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";

/** Text decoded as Latin-1 with these characters in place of the control characters. */
export function controlsToWindows1252(text: string): string {
  return text.replace(/[\u0080-\u009f]/g, (character) => CHARACTERS.charAt(character.charCodeAt(0) - 0x80));
}
