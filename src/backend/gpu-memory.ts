/** @file How much memory a GPU has. WebGPU does not tell; the system does: nvidia-smi, amdgpu's files, Apple's shared memory. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { totalmem } from "node:os";
import type { GpuFacts } from "./select.ts";

export interface Memory {
  readonly bytes: number;
  /** Who says so, e.g. "nvidia-smi". */
  readonly source: string;
}

export interface MemorySources {
  readonly platform: NodeJS.Platform;
  /** The standard output; undefined when the program is missing, fails, or takes longer than two seconds. */
  readonly run: (program: string, parameters: readonly string[]) => Promise<string | undefined>;
  /** Undefined when there is no such file. */
  readonly read: (path: string) => string | undefined;
  /** Names in a folder; empty when there is no such folder. */
  readonly list: (folder: string) => readonly string[];
  readonly totalBytes: () => number;
}

interface Card extends Memory {
  /** Absent where the driver gives none. */
  readonly name: string | undefined;
}

/** Memory of the GPU that a backend computes on, by its adapter's description; undefined where nothing tells. */
export async function gpuMemory(description: string, { vendor }: Pick<GpuFacts, "vendor">, sources: MemorySources = THIS_MACHINE): Promise<Memory | undefined> {
  if (vendor === "apple" || sources.platform === "darwin") return { bytes: sources.totalBytes(), source: "shared with the system" };
  const mayBe = (maker: string): boolean => vendor === undefined || vendor === maker;
  const nvidia = mayBe("nvidia") ? await nvidiaCards(sources) : [];
  return cardOf(description, nvidia.length > 0 || !mayBe("amd") ? nvidia : amdCards(sources));
}

/** The card whose name the description has; of several that may be meant the largest, so that nothing is refused by mistake. */
function cardOf(description: string, cards: readonly Card[]): Memory | undefined {
  const named = cards.filter(({ name }) => name !== undefined && words(description).includes(words(name)));
  const meant = named.length > 0 ? longestNamed(named) : cards;
  const [first, ...others] = [...meant].sort((a, b) => b.bytes - a.bytes);
  if (first === undefined) return undefined;
  const isAmbiguous = others.some(({ bytes }) => bytes !== first.bytes);
  return { bytes: first.bytes, source: isAmbiguous ? `${first.source}, the largest of ${meant.length} cards` : first.source };
}

/** "RTX 4090 Laptop" is not an "RTX 4090". */
function longestNamed(cards: readonly Card[]): readonly Card[] {
  const longest = Math.max(...cards.map(({ name = "" }) => name.length));
  return cards.filter(({ name = "" }) => name.length === longest);
}

function words(name: string): string {
  return ` ${name.toLowerCase().replace(/[^a-z0-9]+/g, " ").trim()} `;
}

async function nvidiaCards({ run }: MemorySources): Promise<Card[]> {
  const table = await run("nvidia-smi", ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]);
  return (table ?? "").split("\n").flatMap((line): Card[] => {
    const [, name, mebibytes] = /^(.+),\s*(\d+)\s*$/.exec(line) ?? [];
    return name === undefined || mebibytes === undefined ? [] : [{ name: name.trim(), bytes: Number(mebibytes) * 2 ** 20, source: "nvidia-smi" }];
  });
}

const CARDS = "/sys/class/drm";

function amdCards({ list, read }: MemorySources): Card[] {
  return list(CARDS)
    .filter((card) => /^card\d+$/.test(card))
    .flatMap((card): Card[] => {
      const bytes = Number(read(`${CARDS}/${card}/device/mem_info_vram_total`));
      const name = read(`${CARDS}/${card}/device/product_name`)?.trim();
      return bytes > 0 ? [{ name: name === "" ? undefined : name, bytes, source: "amdgpu" }] : [];
    });
}

const PATIENCE_MS = 2000;

export const THIS_MACHINE: MemorySources = {
  platform: process.platform,
  run: (program, parameters) =>
    new Promise((resolve) => {
      execFile(program, [...parameters], { timeout: PATIENCE_MS, windowsHide: true }, (error, output) => resolve(error === null ? output : undefined));
    }),
  read: (path) => orElse(() => readFileSync(path, "utf8"), undefined),
  list: (folder) => orElse(() => readdirSync(folder), []),
  totalBytes: totalmem,
};

function orElse<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
