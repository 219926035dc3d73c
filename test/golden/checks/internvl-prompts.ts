/** @file Kind internvl-prompts: templates, places of pictures, spans that carry loss, frame numbers. */
import { z } from "zod";
import { frameSpan, middleFrameIndices, uniformFrameIndices } from "../../../src/media/frames.ts";
import { answerPieces, beforeAnswer, beforeUser, betweenTurns, chatTemplate, type ChatTemplate } from "../../../src/text/chat-template.ts";
import { placeImages } from "../../../src/text/image-places.ts";
import { text, type Piece } from "../../../src/text/pieces.ts";
import type { Check } from "../check-set.ts";
import { exact, type Comparison } from "../comparison.ts";
import type { GoldenSet } from "../golden-set.ts";

const turnSchema = z.tuple([z.string(), z.string().nullable()]);
const conversation = { template: z.string(), turns: z.array(turnSchema), num_patches_list: z.array(z.number()).default([]) };
const schema = z.looseObject({
  num_image_token: z.number(),
  templates: z.array(z.looseObject({ ...conversation, system: z.string().nullish(), prompt: z.string(), expanded_prompt: z.string(), stop_token: z.string() })).default([]),
  label_masks: z.array(z.looseObject({ ...conversation, system: z.string().nullish(), tokenizer_adds_bos: z.boolean(), segments: z.array(z.tuple([z.number(), z.string()])) })).default([]),
  card_frame_indices: z.array(z.looseObject({ total_frames: z.number(), fps: z.number(), bound_seconds: z.tuple([z.number(), z.number()]).nullable(), num_segments: z.number(), indices: z.array(z.number()) })).default([]),
  train_frame_indices_middle: z.array(z.looseObject({ num_frames: z.number(), video_length: z.number(), indices: z.array(z.number()) })).default([]),
});
type Golden = z.infer<typeof schema>;

export function checkInternvlPrompts(set: GoldenSet): Check[] {
  const golden = set.json(schema);
  return [
    ...golden.templates.map((one, i): Check => ({ name: `templates.${i}`, run: () => checkPrompt(`templates.${i} ${one.template}`, one, golden.num_image_token) })),
    ...golden.label_masks.map((one, i): Check => ({ name: `label_masks.${i}`, run: () => [checkLabels(`label_masks.${i} ${one.template}`, one, golden.num_image_token)] })),
    { name: "card_frame_indices", run: () => golden.card_frame_indices.map((one, i) => checkCardFrames(`card_frame_indices.${i}`, one)) },
    { name: "train_frame_indices_middle", run: () => golden.train_frame_indices_middle.map(({ num_frames: count, video_length: frames, indices }, i) => exact(`train_frame_indices_middle.${i}`, middleFrameIndices(frames, count), indices)) },
  ];
}

function checkPrompt(name: string, { template: templateName, system, turns, num_patches_list: tiles, prompt, expanded_prompt: expanded, stop_token: stop }: Golden["templates"][number], tokensPerTile: number): Comparison[] {
  const template = chatTemplate(templateName);
  const plain = renderTurns({ template, system: system ?? template.defaultSystem, turns, question: (value) => [text(value)] });
  const withImages = renderTurns({ template, system: system ?? template.defaultSystem, turns, question: placing(turns, tiles, tokensPerTile) });
  return [
    exact(`${name} prompt`, [plain.map(({ pieces }) => spell(pieces)).join("")], [prompt]),
    exact(`${name} expanded_prompt`, [withImages.map(({ pieces }) => spell(pieces)).join("")], [expanded]),
    exact(`${name} stop_token`, [template.endToken], [stop]),
  ];
}

function checkLabels(name: string, { template: templateName, system, turns, num_patches_list: tiles, tokenizer_adds_bos: hasBos, segments }: Golden["label_masks"][number], tokensPerTile: number): Comparison {
  const template = chatTemplate(templateName);
  const runs = renderTurns({ template, system: system ?? template.defaultSystem, turns, question: placing(turns, tiles, tokensPerTile) });
  const joined = joinRuns([{ supervised: 0, spelling: hasBos ? "<s>" : "" }, ...runs.map(({ supervised, pieces }) => ({ supervised, spelling: spell(pieces) }))]);
  return exact(name, joined.flatMap(({ supervised, spelling }) => [supervised, spelling]), segments.flat());
}

function checkCardFrames(name: string, { total_frames: frames, fps, bound_seconds: bound, num_segments: count, indices }: Golden["card_frame_indices"][number]): Comparison {
  const actual = bound === null ? uniformFrameIndices(frames, count) : uniformFrameIndices(frames, count, frameSpan(frames, { fps, startSeconds: bound[0], endSeconds: bound[1] }));
  return exact(name, actual, indices);
}

/** Questions in turn take their pictures from one list; the last takes what is left, so that a wrong count is an error. */
function placing(turns: Golden["templates"][number]["turns"], tiles: readonly number[], tokensPerTile: number): (value: string, turn: number) => Piece[] {
  const counts = turns.map(([question]) => question.split("<image>").length - 1);
  return (value, turn) => {
    const before = counts.slice(0, turn).reduce((a, b) => a + b, 0);
    const own = turn === turns.length - 1 ? tiles.slice(before) : tiles.slice(before, before + (counts[turn] ?? 0));
    return placeImages(value, own.map((count) => ({ clip: "image", tokens: count * tokensPerTile, offset: 0 })), `turn ${turn}`);
  };
}

interface Run {
  readonly supervised: number;
  readonly pieces: readonly Piece[];
}

interface Conversation {
  readonly template: ChatTemplate;
  readonly system: string;
  readonly turns: readonly z.infer<typeof turnSchema>[];
  readonly question: (value: string, turn: number) => readonly Piece[];
}

/** A conversation of any length from the parts that encoding uses for one turn. */
function renderTurns({ template, system, turns, question }: Conversation): Run[] {
  return turns.flatMap(([asked, answer], turn): Run[] => [
    { supervised: 0, pieces: [...(turn === 0 ? beforeUser(template, system) : betweenTurns(template)), ...question(asked, turn), ...beforeAnswer(template)] },
    ...(answer === null ? [] : [{ supervised: 1, pieces: answerPieces(template, answer) }]),
    ...(answer !== null && turn === turns.length - 1 ? [{ supervised: 0, pieces: [text(template.separator)] }] : []),
  ]);
}

function spell(pieces: readonly Piece[]): string {
  return pieces.map((piece) => (piece.kind === "text" ? piece.text : piece.kind === "media" ? piece.token.repeat(piece.count) : piece.token)).join("");
}

function joinRuns(runs: readonly { readonly supervised: number; readonly spelling: string }[]): { supervised: number; spelling: string }[] {
  const joined: { supervised: number; spelling: string }[] = [];
  for (const run of runs.filter(({ spelling }) => spelling !== "")) {
    const last = joined.at(-1);
    if (last?.supervised === run.supervised) last.spelling += run.spelling;
    else joined.push({ ...run });
  }
  return joined;
}
