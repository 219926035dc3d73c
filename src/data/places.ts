/** @file Where a name was first seen, for very many names: a number each instead of a text. */
import { SPLITS } from "./record.ts";
import type { Split } from "./record.ts";

export interface Places {
  /** The place of the first use of a name, and whether this is it; remembers it if so. */
  claim(name: string, place: Place): Place | undefined;
}

export interface Place {
  readonly split: Split;
  /** `path:line`; the path is the same for all lines of a split. */
  readonly where: string;
}

export function createPlaces(): Places {
  const lines = new Map<string, number>();
  const paths = new Map<Split, string>();
  return {
    claim: (name, { split, where }) => {
      const packed = lines.get(name);
      if (packed !== undefined) {
        const first = SPLITS[packed % SPLITS.length] ?? split;
        return { split: first, where: `${paths.get(first) ?? ""}:${Math.floor(packed / SPLITS.length)}` };
      }
      const at = where.lastIndexOf(":");
      paths.set(split, where.slice(0, at));
      lines.set(name, Number(where.slice(at + 1)) * SPLITS.length + SPLITS.indexOf(split));
      return undefined;
    },
  };
}
