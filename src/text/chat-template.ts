/**
 * @file Chat templates of the InternVL family as data, by the name that config.json calls `template`.
 * Source: InternVL's conversation.py; checked against rendered prompts and label masks of the original code.
 */
import { UserError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { control, text } from "./pieces.ts";
import type { Piece } from "./pieces.ts";

export interface ChatTemplate {
  /** The system text that the models of this template were trained with. */
  readonly defaultSystem: string;
  readonly systemHeader: readonly Piece[];
  readonly systemEnd: readonly Piece[];
  readonly userHeader: readonly Piece[];
  readonly userEnd: readonly Piece[];
  readonly assistantHeader: readonly Piece[];
  /** What an answer begins with; a prompt that is left open ends before it. */
  readonly answerLead: string;
  /** Ends an answer: supervised, and it stops generation. */
  readonly endToken: string;
  /** Between an answer's end token and the next header; never supervised. */
  readonly separator: string;
}

const INTERNVL2_SYSTEM = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。";
const INTERNVL2_5_SYSTEM = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。";

/** ChatML: every turn ends alike. */
function chatml({ defaultSystem, separator }: Pick<ChatTemplate, "defaultSystem" | "separator">): ChatTemplate {
  const header = (role: string): Piece[] => [control("<|im_start|>"), text(`${role}\n`)];
  const end = [control("<|im_end|>"), text(separator)];
  return { defaultSystem, systemHeader: header("system"), systemEnd: end, userHeader: header("user"), userEnd: end, assistantHeader: header("assistant"), answerLead: "", endToken: "<|im_end|>", separator };
}

const TEMPLATES: Readonly<Record<string, ChatTemplate>> = {
  "Hermes-2": chatml({ defaultSystem: INTERNVL2_SYSTEM, separator: "" }),
  "internlm2-chat": chatml({ defaultSystem: INTERNVL2_SYSTEM, separator: "" }),
  "phi3-chat": {
    defaultSystem: INTERNVL2_SYSTEM,
    systemHeader: [control("<|system|>"), text("\n")],
    systemEnd: [control("<|end|>")],
    userHeader: [control("<|user|>"), text("\n")],
    userEnd: [control("<|end|>")],
    assistantHeader: [control("<|assistant|>"), text("\n")],
    answerLead: "",
    endToken: "<|end|>",
    separator: "",
  },
  internvl2_5: chatml({ defaultSystem: INTERNVL2_5_SYSTEM, separator: "\n" }),
  internvl_zh: {
    defaultSystem: "",
    systemHeader: [],
    systemEnd: [text(" ")],
    userHeader: [text("<human>: ")],
    userEnd: [text(" ")],
    assistantHeader: [text("<bot>:")],
    answerLead: " ",
    endToken: "</s>",
    separator: "",
  },
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
  return [...template.systemHeader, text(system), ...template.systemEnd, ...template.userHeader];
}

/** What comes between the user's words and the answer. */
export function beforeAnswer(template: ChatTemplate): readonly Piece[] {
  return [...template.userEnd, ...template.assistantHeader];
}

/** An answer as it is learned and generated, its end token included. */
export function answerPieces(template: ChatTemplate, answer: string): readonly Piece[] {
  return [text(template.answerLead + answer), control(template.endToken)];
}

/** What comes between an answer and the user's next words. */
export function betweenTurns(template: ChatTemplate): readonly Piece[] {
  return [text(template.separator), ...template.userHeader];
}
