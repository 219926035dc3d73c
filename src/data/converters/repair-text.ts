/** @file Text whose Windows-1252 punctuation was decoded as Latin-1: C1 control characters back to what they were. */
import { controlsToWindows1252 } from "../files/cp1252.ts";

/** The text of MELD's archive edition as its repository edition has it; no-break spaces become spaces. Text without such characters is unchanged. */
export function repairText(text: string): { readonly text: string; readonly changed: boolean } {
  const repaired = controlsToWindows1252(text).replaceAll("\u00a0", " ");
  return { text: repaired, changed: repaired !== text };
}
