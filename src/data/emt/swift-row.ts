/** @file A row of an ms-swift dataset in any of its forms, as turns of question and answer with media. */
import { z } from "zod";

export interface SwiftRow {
  readonly turns: readonly { readonly query: string; readonly response: string }[];
  readonly videos: readonly string[];
  readonly images: readonly string[];
  readonly audios: readonly string[];
  /** Media tags (`<video>`, `<image>`, `<audio>`) in the questions that do not fit the numbers of media, without a full stop. */
  readonly tagFault?: string;
}

const MEDIA = ["video", "image", "audio"] as const;
type Medium = (typeof MEDIA)[number];

const mediumSchema = z.union([z.string().min(1), z.looseObject({ path: z.string().min(1) }).transform(({ path }) => path)]);
const mediaSchema = z.union([z.array(mediumSchema), mediumSchema.transform((one) => [one]), z.null().transform(() => [])]).default([]);
/** OpenAI's form of a part's medium. */
const addressSchema = z.union([z.string().min(1), z.looseObject({ url: z.string().min(1) }).transform(({ url }) => url)]).optional();
const partSchema = z
  .looseObject({ text: z.string().optional(), video: mediumSchema.optional(), image: mediumSchema.optional(), audio: mediumSchema.optional(), video_url: addressSchema, image_url: addressSchema, audio_url: addressSchema })
  .transform(({ text, video, image, audio, ...part }) => ({ text, video: video ?? part.video_url, image: image ?? part.image_url, audio: audio ?? part.audio_url }));
const contentSchema = z.union([z.string(), z.array(partSchema), z.null().transform(() => "")]);
const files = { videos: mediaSchema, images: mediaSchema, audios: mediaSchema };
const historySchema = z.union([z.array(z.tuple([z.string(), z.string()])), z.null().transform(() => [])]).default([]);

/** The gold answer in the output of `swift infer` (2.x label, 3.x labels), where `response` is the model's. */
const gold = { label: z.unknown().optional(), labels: z.unknown().optional() };
const queryRowSchema = z.looseObject({
  query: z.string(),
  response: z.string(),
  ...gold,
  history: historySchema,
  ...files,
});
const messagesRowSchema = z.looseObject({ messages: z.array(z.looseObject({ role: z.string(), content: contentSchema })).min(1), response: z.unknown().optional(), ...gold, ...files });
const alpacaRowSchema = z.looseObject({ instruction: z.string(), input: z.string().nullish(), output: z.string(), history: historySchema, ...files });
const shareRowSchema = z.looseObject({ conversations: z.array(z.looseObject({ from: z.string(), value: contentSchema })).min(1), ...files });

/** The row, or what it lacks. */
export function readSwiftRow(value: unknown): SwiftRow | string {
  const has = (key: string): boolean => typeof value === "object" && value !== null && key in value;
  if (has("messages")) return withParsed(messagesRowSchema.safeParse(value), ({ messages, response, ...row }) => withGold(fromMessages(messages, row), response === undefined ? undefined : goldOf(row)));
  if (has("conversations")) return withParsed(shareRowSchema.safeParse(value), ({ conversations, ...media }) => fromMessages(conversations.map((one) => ({ role: one.from, content: one.value })), media));
  if (has("query")) {
    return withParsed(queryRowSchema.safeParse(value), ({ history, query, response, ...row }) => finish([...turnsOf(history), { query, response: goldOf(row) ?? response }], pick(row)));
  }
  if (has("instruction")) {
    return withParsed(alpacaRowSchema.safeParse(value), ({ history, instruction, input, output, ...row }) => finish([...turnsOf(history), { query: [instruction, input ?? ""].filter((part) => part !== "").join("\n"), response: output }], pick(row)));
  }
  return "this is no ms-swift row: it has neither query and response nor messages";
}

/** Whether a value has one of the keys that make an ms-swift row. */
export function looksLikeSwiftRow(value: unknown): boolean {
  return typeof value === "object" && value !== null && (["messages", "conversations", "query"].some((key) => key in value) || ("instruction" in value && "output" in value));
}

function turnsOf(history: readonly (readonly [string, string])[]): SwiftRow["turns"] {
  return history.map(([query, response]) => ({ query, response }));
}

function goldOf({ label, labels }: { readonly label?: unknown; readonly labels?: unknown }): string | undefined {
  return [label, labels].find((one) => typeof one === "string");
}

/** The row with the gold answer in place of the last one. */
function withGold(row: SwiftRow | string, answer: string | undefined): SwiftRow | string {
  if (typeof row === "string" || answer === undefined) return row;
  return { ...row, turns: row.turns.map((turn, i) => (i === row.turns.length - 1 ? { ...turn, response: answer } : turn)) };
}

function withParsed<T>(parsed: z.ZodSafeParseResult<T>, then: (row: T) => SwiftRow | string): SwiftRow | string {
  if (parsed.success) return then(parsed.data);
  const [issue] = parsed.error.issues;
  return `this is no whole ms-swift row: ${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? ""}`;
}

type Files = Readonly<Record<"videos" | "images" | "audios", readonly string[]>>;

function pick({ videos, images, audios }: Files): Files {
  return { videos, images, audios };
}

const ROLES: Readonly<Record<string, "user" | "assistant" | "system">> = { user: "user", human: "user", assistant: "assistant", gpt: "assistant", system: "system" };

function fromMessages(messages: readonly { readonly role: string; readonly content: z.infer<typeof contentSchema> }[], media: Files): SwiftRow | string {
  const files = { videos: [...media.videos], images: [...media.images], audios: [...media.audios] };
  const turns: { query: string; response: string }[] = [];
  let query: string | undefined;
  for (const { role, content } of messages) {
    const text = typeof content === "string" ? content : content.map((part) => readPart(part, files)).join("");
    const speaker = ROLES[role];
    if (speaker === undefined) return `the role "${role}" is not one of system, user, assistant`;
    if (speaker === "user") query = query === undefined ? text : `${query}\n${text}`;
    else if (speaker === "assistant" && query !== undefined) {
      turns.push({ query, response: text });
      query = undefined;
    } else if (speaker === "assistant") return "an answer comes before any question";
  }
  if (query !== undefined) return "the last question has no answer";
  return turns.length === 0 ? "there is no question in it" : finish(turns, files);
}

/** A part's text, or the tag of its medium, which joins the row's media. */
function readPart({ text, video, image, audio }: z.infer<typeof partSchema>, files: Record<"videos" | "images" | "audios", string[]>): string {
  if (video !== undefined) files.videos.push(video);
  if (image !== undefined) files.images.push(image);
  if (audio !== undefined) files.audios.push(audio);
  return video !== undefined ? "<video>" : image !== undefined ? "<image>" : audio !== undefined ? "<audio>" : (text ?? "");
}

function finish(turns: SwiftRow["turns"], files: Files): SwiftRow {
  const faults = MEDIA.flatMap((medium) => tagFault(medium, { turns, count: files[`${medium}s`].length }));
  return {
    turns: turns.map(({ query, response }) => ({ query: withoutTags(query), response })),
    ...files,
    ...(faults.length === 0 ? {} : { tagFault: faults.join("; ") }),
  };
}

/** As ms-swift has it: no tag at all means that the media come first; else tags and media must be as many. */
function tagFault(medium: Medium, { turns, count }: { readonly turns: SwiftRow["turns"]; readonly count: number }): string[] {
  const tags = turns.reduce((sum, { query }) => sum + query.split(`<${medium}>`).length - 1, 0);
  return tags === 0 || tags === count ? [] : [`got ${tags} <${medium}> tags and ${count} ${medium}s`];
}

function withoutTags(query: string): string {
  return query.replace(/^(?:\s*<(?:video|image|audio)>\s*)+/, "");
}
