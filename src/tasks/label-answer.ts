/** @file Answers that are one word of a closed set: `Positive.`, `Anger.` */

/** The paper's form of a label: capitalised, with a full stop. */
export function renderLabel(label: string): string {
  return `${label.charAt(0).toUpperCase()}${label.slice(1)}.`;
}

/** The label that a response consists of, in any case and with or without the full stop; undefined for anything else. */
export function parseLabel<L extends string>(response: string, labels: readonly L[]): L | undefined {
  const word = response.trim().replace(/\.$/, "").toLowerCase();
  return labels.find((label) => label === word);
}
