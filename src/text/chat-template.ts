/**
 * @file Chat templates of the InternVL family as data, by the name that config.json calls `template`.
 * Source: InternVL's conversation.py; checked against rendered prompts and label masks of the original code.
 */
import { UserError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { control, text } from "./pieces.ts";
import type { Piece } from "./pieces.ts";

export interface ChatTemplate {
  readonly systemHeader: readonly Piece[];
  readonly userHeader: readonly Piece[];
  readonly assistantHeader: readonly Piece[];
  /** Ends every turn; after an answer it is supervised and it stops generation. */
  readonly endToken: string;
  /** Between a turn's end token and the next header; never supervised. */
  readonly separator: string;
}

const CHATML: ChatTemplate = {
  systemHeader: [control("<|im_start|>"), text("system\n")],
  userHeader: [control("<|im_start|>"), text("user\n")],
  assistantHeader: [control("<|im_start|>"), text("assistant\n")],
  endToken: "<|im_end|>",
  separator: "",
};

const TEMPLATES: Readonly<Record<string, ChatTemplate>> = {
  "Hermes-2": CHATML,
  "internlm2-chat": CHATML,
  "phi3-chat": {
    systemHeader: [control("<|system|>"), text("\n")],
    userHeader: [control("<|user|>"), text("\n")],
    assistantHeader: [control("<|assistant|>"), text("\n")],
    endToken: "<|end|>",
    separator: "",
  },
  internvl2_5: { ...CHATML, separator: "\n" },
};

/** @throws UserError (CheckpointError) when config.json names a template we do not know. */
export function chatTemplate(name: string): ChatTemplate {
  const template = Object.hasOwn(TEMPLATES, name) ? TEMPLATES[name] : undefined;
  if (template !== undefined) return template;
  throw new UserError({
    kind: "CheckpointError",
    where: "config.json template",
    what: `unknown chat template "${name}"`,
    hint: didYouMean(name, Object.keys(TEMPLATES)),
  });
}

/** What comes before the user's words: the system turn (kept even when it is empty) and the user header. */
export function beforeUser(template: ChatTemplate, system: string): readonly Piece[] {
  return [...template.systemHeader, text(system), ...turnEnd(template), ...template.userHeader];
}

/** What comes between the user's words and the answer. */
export function beforeAnswer(template: ChatTemplate): readonly Piece[] {
  return [...turnEnd(template), ...template.assistantHeader];
}

/** End token and separator. */
export function turnEnd(template: ChatTemplate): readonly Piece[] {
  return [control(template.endToken), text(template.separator)];
}
