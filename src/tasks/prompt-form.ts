/** @file PromptForm: wordings that an experiment chooses between; RunConfig.data has a form's fields. */

/** ERC asks about an utterance on its own, as the paper does, or about one of a dialogue that is shown whole, later turns too. */
export const EMOTION_PROMPTS = ["utterance", "dialogue"] as const;

/**
 * ECPE shows every turn's gold emotion and asks about those that are not neutral, as the paper does; or it shows none, asks
 * about every turn, and the emotion is part of the answer, as in SemEval-2024 task 3.
 */
export const CAUSE_PROMPTS = ["emotions-given", "emotions-asked"] as const;

/** A turn is shown with its words, or by what it is without them: number, emotion, length and whose it is; see cause-excerpt.ts. */
export const TURN_VIEWS = ["words", "outline"] as const;

/** Turns that a prompt shows beside its target. */
export interface TurnWindow {
  readonly before: number;
  readonly after: number;
  /** Absent: words. */
  readonly show?: (typeof TURN_VIEWS)[number];
}

export interface PromptForm {
  readonly emotionPrompt: (typeof EMOTION_PROMPTS)[number];
  readonly causePrompt: (typeof CAUSE_PROMPTS)[number];
  /** ECPE shows these turns alone and numbers them so that the target has the same number in every prompt; absent: the whole conversation, as in the paper. */
  readonly causeTurns?: TurnWindow | undefined;
}

export const PAPER_FORM: PromptForm = { emotionPrompt: "utterance", causePrompt: "emotions-given" };
