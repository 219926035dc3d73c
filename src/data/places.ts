/** @file Where a name was first seen, for very many names. */
import { createNameTable } from "../core/name-table.ts";
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
  const lines = createNameTable();
  const paths = new Map<Split, string>();
  return {
    claim: (name, { split, where }) => {
      const at = where.lastIndexOf(":");
      const packed = lines.claim(name, Number(where.slice(at + 1)) * SPLITS.length + SPLITS.indexOf(split));
      if (packed === undefined) {
        if (!paths.has(split)) paths.set(split, where.slice(0, at));
        return undefined;
      }
      const first = SPLITS[packed % SPLITS.length] ?? split;
      return { split: first, where: `${paths.get(first) ?? ""}:${Math.floor(packed / SPLITS.length)}` };
    },
  };
}
