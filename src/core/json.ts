/** @file JSON that may be none. */

/** The value of a JSON text; undefined when it is not one. */
export function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
