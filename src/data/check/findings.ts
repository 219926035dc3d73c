/** @file What a check can find. `bad` ends it with the exit code of bad data, `odd` is worth a look. */

export const FINDING_KINDS = {
  "bad-line": "bad",
  "no-file": "bad",
  "unreadable": "bad",
  "unsafe-path": "bad",
  "too-short": "odd",
  "too-long": "odd",
  "no-audio": "odd",
  "unknown-phrase": "bad",
  "leak": "bad",
  "leak-elsewhere": "odd",
  "duplicate": "odd",
  "tag-in-text": "odd",
  "over-budget": "bad",
  "long-prompt": "odd",
  "no-samples": "bad",
  "count-differs": "bad",
} as const satisfies Record<string, "bad" | "odd">;
export type FindingKind = keyof typeof FINDING_KINDS;

export interface Finding {
  readonly kind: FindingKind;
  /** `path:line`, or the file or folder. */
  readonly where: string;
  /** One sentence without a full stop. */
  readonly what: string;
}

export interface FindingCount {
  readonly severity: "bad" | "odd";
  readonly count: number;
  readonly examples: readonly Omit<Finding, "kind">[];
}

export interface FindingCounter {
  add(finding: Finding): void;
  counts(): Readonly<Partial<Record<FindingKind, FindingCount>>>;
}

const EXAMPLES = 5;

export function createFindingCounter(): FindingCounter {
  const counts: Partial<Record<FindingKind, { severity: "bad" | "odd"; count: number; examples: Omit<Finding, "kind">[] }>> = {};
  return {
    add: ({ kind, where, what }) => {
      const entry = (counts[kind] ??= { severity: FINDING_KINDS[kind], count: 0, examples: [] });
      entry.count += 1;
      if (entry.examples.length < EXAMPLES) entry.examples.push({ where, what });
    },
    counts: () => structuredClone(counts),
  };
}
