/** @file Samples -> predictions: closed answer sets by likelihood, the others by greedy generation. */
import { tidied } from "../backend/tidied.ts";
import { type Problem, UserError } from "../core/errors.ts";
import { batchMedia } from "../curriculum/batch-media.ts";
import { buildBatch, featureRows } from "../curriculum/batch.ts";
import { sampleLength } from "../curriculum/pack.ts";
import { treeBias } from "../curriculum/tree-mask.ts";
import type { Clip, ClipSpec } from "../media/clip.ts";
import { batchFeatures } from "../model/batch-features.ts";
import type { BatchWithMedia } from "../model/batch-states.ts";
import type { ModelConfig } from "../model/config.ts";
import { generateGreedy } from "../model/generate.ts";
import type { Params } from "../model/params.ts";
import type { Sample, Task } from "../tasks/task.ts";
import type { EncodedSample } from "../text/encoded-sample.ts";
import { encodeAnswer, type EncodeOptions, encodeSamples } from "../text/encode.ts";
import { answerLogProbs } from "./label-scores.ts";
import type { Prediction } from "./predictions.ts";
import { type PlacedPrompt, promptRows } from "./prompt-rows.ts";

export interface Predictor {
  readonly params: Params;
  readonly config: ModelConfig;
  readonly encoding: Omit<EncodeOptions, "withAnswer">;
  readonly clips: ReadonlyMap<string, Clip>;
  readonly clipSpec: ClipSpec;
  readonly rowTokens: number;
}

export type DecodeMethod = "score" | "generate";

/** What `auto` means for a task. */
export function decodeMethod(wanted: DecodeMethod | "auto", { answers }: Task): DecodeMethod {
  if (wanted === "generate" || answers === undefined) return "generate";
  return "score";
}

/**
 * The predictions of all samples, in order, row by row.
 *
 * @throws UserError (DataError) listing prompts with more tokens than the model has positions.
 */
export async function* predictSamples(predictor: Predictor, { task, samples, method }: { task: Task; samples: readonly Sample[]; method: DecodeMethod }): AsyncGenerator<readonly Prediction[]> {
  const { encoding, rowTokens } = predictor;
  const encoded = encodeSamples(samples, { ...encoding, withAnswer: false });
  refuseTooLong(encoded, predictor.config.llm_config.max_position_embeddings);
  const answers = method === "score" ? (task.answers ?? []) : [];
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const answerIds = answers.map((answer) => encodeAnswer(answer, encoding));
  for (const { row, prompts } of promptRows(encoded, answerIds, rowTokens)) {
    const started = performance.now();
    const batch = buildBatch([row], featureRows(encoding.mediaTokens));
    const media = batchMedia(batch, predictor.clips, predictor.clipSpec);
    const responses = method === "score" ? scoreAnswers(predictor, { batch, media, prompts, answers }) : generateAnswers(predictor, { batch, media, prompts, task });
    const seconds = (performance.now() - started) / 1000 / prompts.length;
    yield responses.map((response, i) => toPrediction(task, byId.get(prompts[i]?.sampleId ?? ""), { ...response, seconds }));
    await new Promise((resolve) => setImmediate(resolve)); // signals and progress get their turn
  }
}

/** Memory grows with the square of a prompt's length: an endless transcript would end the process, not the evaluation. */
function refuseTooLong(samples: readonly EncodedSample[], most: number): void {
  const problems = samples.flatMap((sample): Problem[] => {
    const tokens = sampleLength(sample);
    if (tokens <= most) return [];
    return [{ kind: "DataError", where: `sample ${sample.id}`, what: `got a prompt of ${tokens} tokens, expected at most ${most} (max_position_embeddings of the model)`, hint: "Shorten the transcript, or train with fewer data.frames." }];
  });
  if (problems.length > 0) throw new UserError(problems);
}

interface Response {
  readonly text: string;
  readonly scores?: Readonly<Record<string, number>>;
}

function toPrediction(task: Task, sample: Sample | undefined, { text, scores, seconds }: Response & { seconds: number }): Prediction {
  if (sample === undefined) throw new Error("internal error: a prediction without its sample");
  const parsed = task.parse(text);
  return { id: sample.id, task: task.name, gold: sample.target, response: text, ...(parsed === undefined ? {} : { parsed }), ...(scores === undefined ? {} : { scores }), seconds };
}

function scoreAnswers({ params, config }: Predictor, { batch, media, prompts, answers }: BatchWithMedia & { readonly prompts: readonly PlacedPrompt[]; readonly answers: readonly string[] }): Response[] {
  const logProbs = answerLogProbs(params, config, { batch, media, answers: prompts.flatMap((prompt) => prompt.answers) });
  return prompts.map((_, i) => {
    const own = logProbs.slice(i * answers.length, (i + 1) * answers.length);
    const best = own.indexOf(Math.max(...own));
    return { text: answers[best] ?? "", scores: Object.fromEntries(answers.map((answer, j) => [answer, own[j] ?? Number.NaN])) };
  });
}

function generateAnswers({ params, config, encoding }: Predictor, { batch, media, prompts, task }: BatchWithMedia & { readonly prompts: readonly PlacedPrompt[]; readonly task: Task }): Response[] {
  const { tokenizer, template } = encoding;
  const answers = tidied(() =>
    generateGreedy(params, config, {
      inputIds: batch.inputIds,
      positionIds: batch.positionIds,
      featureIndex: batch.featureIndex,
      bias: treeBias(batch.rows, batch.length),
      features: batchFeatures(params, config, media),
      ends: prompts.map(({ end }) => end),
      maxNewTokens: task.maxNewTokens,
      stopIds: new Set([tokenizer.idOf(template.endToken)]),
    }),
  );
  return answers.map((ids) => ({ text: tokenizer.decode(ids) }));
}
