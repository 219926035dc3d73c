/** @file The datasets that can be converted, by the names of the command line. */
import type { Converter } from "./converter.ts";
import { convertEcf } from "./ecf.ts";
import { convertEmt } from "./emt.ts";
import { convertMeld } from "./meld.ts";
import { convertMosei } from "./mosei.ts";

export const SOURCES = ["meld", "ecf", "mosei", "emt"] as const;
export type SourceName = (typeof SOURCES)[number];

export const CONVERTERS = { meld: convertMeld, ecf: convertEcf, mosei: convertMosei, emt: convertEmt } as const satisfies Record<SourceName, Converter>;
