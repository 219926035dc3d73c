/** @file What needs no model in emotion-cause pair extraction, given the emotions: the target itself, the turn before it, both. */

export const PAIR_RULES = {
  targetItself: [0],
  previousTurn: [-1],
  targetAndPreviousTurn: [-1, 0],
} as const;
export type PairRule = keyof typeof PAIR_RULES;

/** The utterances that a rule names as causes of the emotion of utterance `target`. */
export function causesByRule(rule: PairRule, target: number): readonly number[] {
  return PAIR_RULES[rule].map((offset) => target + offset).filter((cause) => cause >= 1);
}

/** The result of every rule, by its name. */
export function mapRules<T>(use: (rule: PairRule) => T): Readonly<Record<PairRule, T>> {
  return { targetItself: use("targetItself"), previousTurn: use("previousTurn"), targetAndPreviousTurn: use("targetAndPreviousTurn") };
}
