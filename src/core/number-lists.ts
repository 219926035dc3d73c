/** @file NumberLists: very many short lists of whole numbers in two arrays, a few bytes a list. */

export interface NumberLists {
  readonly items: Int32Array;
  /** [lists + 1]; list i is items[starts[i]] up to, not including, items[starts[i + 1]]. */
  readonly starts: Int32Array;
}

export function listCount({ starts }: NumberLists): number {
  return starts.length - 1;
}

/** A view. */
export function listAt({ items, starts }: NumberLists, list: number): Int32Array {
  return items.subarray(starts[list], starts[list + 1]);
}

/** The numbers 0, 1, 2 and so on, each in the list that `listOf` gives it, ascending; those with -1 are in none. */
export function collectLists(listOf: Int32Array, lists: number): NumberLists {
  const starts = new Int32Array(lists + 1);
  for (const list of listOf) if (list >= 0) starts[list + 1]! += 1;
  for (let list = 0; list < lists; list++) starts[list + 1]! += starts[list]!;
  const free = starts.slice(0, lists);
  const items = new Int32Array(starts[lists]!);
  for (let item = 0; item < listOf.length; item++) {
    const list = listOf[item]!;
    if (list >= 0) items[free[list]!++] = item;
  }
  return { items, starts };
}
