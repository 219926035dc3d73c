/** @file "Did you mean": the known names closest to what was typed. */

/** The known names within a third of their length in edits, or that begin as typed, nearest first, at most three. */
export function nearestNames(typed: string, known: readonly string[]): string[] {
  return known
    .map((name) => ({ name, distance: editDistance(typed.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(2, Math.floor(name.length / 3)) || isBeginning(typed, name))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name }) => name);
}

/** `Known: a, b, c. Did you mean "a"?` */
export function didYouMean(typed: string, known: readonly string[]): string {
  const [nearest] = nearestNames(typed, known);
  const list = `Known: ${known.join(", ")}.`;
  return nearest === undefined ? list : `${list} Did you mean "${nearest}"?`;
}

/** Three letters at least: fewer begin too many names. */
function isBeginning(typed: string, name: string): boolean {
  return typed.length >= 3 && name.toLowerCase().startsWith(typed.toLowerCase());
}

/** Levenshtein distance, one row at a time. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
