/** @file Text whose Windows-1252 punctuation was decoded as Latin-1: C1 control characters back to what they were. */

/** The text of MELD's archive edition as its repository edition has it; no-break spaces become spaces. Text without such characters is unchanged. */
export function repairText(text: string): { readonly text: string; readonly changed: boolean } {
  const repaired = text.replace(/[\u0080-\u00a0]/g, (character) => (character === "\u00a0" ? " " : CP1252.decode(Uint8Array.of(character.charCodeAt(0)))));
  return { text: repaired, changed: repaired !== text };
}

const CP1252 = new TextDecoder("windows-1252");
