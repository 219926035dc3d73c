import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { beforeAnswer, beforeUser, chatTemplate, turnEnd } from "../../src/text/chat-template.ts";
import type { ChatTemplate } from "../../src/text/chat-template.ts";
import { control, text } from "../../src/text/pieces.ts";
import type { Piece } from "../../src/text/pieces.ts";
import { goldenPath } from "../golden/golden.ts";

const turnsSchema = z.array(z.tuple([z.string(), z.string().nullable()]));
const golden = z
  .looseObject({
    templates: z.array(z.looseObject({ template: z.string(), system: z.string().nullable(), turns: turnsSchema, prompt: z.string(), stop_token: z.string() })),
    label_masks: z.array(z.looseObject({ template: z.string(), tokenizer_adds_bos: z.boolean(), turns: turnsSchema, num_patches_list: z.array(z.number()), segments: z.array(z.tuple([z.number(), z.string()])) })),
  })
  .parse(JSON.parse(readFileSync(goldenPath("prompts", "expected.json"), "utf8")));

const KNOWN = ["Hermes-2", "internlm2-chat", "phi3-chat", "internvl2_5"];

/** System texts the original templates carry, used where the golden prompt gives none. */
const INTERNVL2_SYSTEM = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。";
const INTERNVL2_5_SYSTEM = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。";
const systemOf = (template: string, system: string | null = null): string => system ?? (template === "internvl2_5" ? INTERNVL2_5_SYSTEM : INTERNVL2_SYSTEM);

test("prompts of all four templates, single and several turns, are those of the original code", () => {
  const cases = golden.templates.filter(({ template }) => KNOWN.includes(template));

  expect(new Set(cases.map(({ template }) => template)).size).toBe(4);
  expect(cases.length).toBeGreaterThanOrEqual(24);
  for (const { template, system, turns, prompt } of cases) {
    const segments = renderTurns(chatTemplate(template), systemOf(template, system), turns);
    expect(segments.map(({ pieces }) => spell(pieces)).join("")).toBe(prompt);
  }
});

test("the stop token is the turn's end token", () => {
  for (const name of KNOWN) {
    const expected = golden.templates.find(({ template }) => template === name)?.stop_token;
    expect(expected).toBeDefined();
    expect(chatTemplate(name).endToken).toBe(expected);
  }
});

test("answer and end token are supervised, the separator is not: label masks of the original code", () => {
  expect(golden.label_masks.length).toBe(12);
  for (const { template, tokenizer_adds_bos, turns, num_patches_list, segments } of golden.label_masks) {
    const rendered = renderTurns(chatTemplate(template), systemOf(template), turns).map(({ supervised, pieces }) => ({ supervised, text: spell(pieces) }));
    const bos = { supervised: 0, text: tokenizer_adds_bos ? "<s>" : "" };
    expect(joinRuns([bos, ...rendered]).map(({ supervised, text }) => [supervised, text])).toEqual(segments.map(([flag, value]) => [flag, collapseImages(value, num_patches_list)]));
  }
});

test("the system block stays when the message is empty", () => {
  expect(spell(beforeUser(chatTemplate("Hermes-2"), ""))).toBe("<|im_start|>system\n<|im_end|><|im_start|>user\n");
});

test("an unknown template lists the known ones", () => {
  expect(() => chatTemplate("hermes2")).toThrow('CheckpointError config.json template: unknown chat template "hermes2".\n  Known: Hermes-2, internlm2-chat, phi3-chat, internvl2_5. Did you mean "Hermes-2"?');
  expect(() => chatTemplate("toString")).toThrow('unknown chat template "toString"');
});

interface Run {
  readonly supervised: number;
  readonly pieces: readonly Piece[];
}

/** A conversation of any length from the parts that encoding uses for one turn. */
function renderTurns(template: ChatTemplate, system: string, turns: z.infer<typeof turnsSchema>): Run[] {
  return turns.flatMap(([question, answer], turn): Run[] => [
    { supervised: 0, pieces: [...(turn === 0 ? beforeUser(template, system) : template.userHeader), text(question), ...beforeAnswer(template)] },
    ...(answer === null
      ? []
      : [
          { supervised: 1, pieces: [text(answer), control(template.endToken)] },
          { supervised: 0, pieces: turnEnd(template).slice(1) },
        ]),
  ]);
}

function spell(pieces: readonly Piece[]): string {
  return pieces.map((piece) => (piece.kind === "text" ? piece.text : piece.token)).join("");
}

function joinRuns(runs: readonly { readonly supervised: number; readonly text: string }[]): { supervised: number; text: string }[] {
  const joined: { supervised: number; text: string }[] = [];
  for (const run of runs.filter(({ text }) => text !== "")) {
    const last = joined.at(-1);
    if (last?.supervised === run.supervised) last.text += run.text;
    else joined.push({ ...run });
  }
  return joined;
}

/** `<image>` again where the golden text has its expanded form (two placeholders per tile). */
function collapseImages(value: string, tiles: readonly number[]): string {
  return tiles.reduce((result, count) => result.replace(`<img>${"<IMG_CONTEXT>".repeat(2 * count)}</img>`, "<image>"), value);
}
