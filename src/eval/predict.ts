/** @file Samples -> predictions: closed answer sets by likelihood, cause pairs if wanted, the others by greedy generation. */
import { type Problem, UserError } from "../core/errors.ts";
import type { BatchMedia } from "../curriculum/batch-media.ts";
import { type Batch, buildBatch, featureRows } from "../curriculum/batch.ts";
import type { PackedRow } from "../curriculum/packed-row.ts";
import { batchFeatures } from "../model/batch-features.ts";
import type { BatchWithMedia } from "../model/batch-states.ts";
import type { ModelConfig } from "../model/config.ts";
import { generateGreedy, type UnreadRow } from "../model/generate.ts";
import type { Params } from "../model/params.ts";
import { goldOf, type Sample, type Task, type Weighing } from "../tasks/task.ts";
import { type EncodedSample, sampleLength } from "../text/encoded-sample.ts";
import { encodeAnswer, type EncodeOptions, encodeSamples } from "../text/encode.ts";
import { answerLogProbs } from "./label-scores.ts";
import type { Prediction } from "./predictions.ts";
import { type PromptRow, promptRows } from "./prompt-rows.ts";

export interface Predictor {
  readonly params: Params;
  readonly config: ModelConfig;
  readonly encoding: Omit<EncodeOptions, "supervise">;
  readonly media: (batch: Batch) => Promise<BatchMedia>;
  readonly rowTokens: number;
  /** Least probability of a pair that is named when cause-pair answers are weighed. */
  readonly pairThreshold: number;
}

export type DecodeMethod = "score" | "generate";

/** What `auto` means for a task. */
export function decodeMethod(wanted: DecodeMethod | "auto", { answers, weighing }: Task): DecodeMethod {
  const canScore = answers !== undefined || (wanted === "score" && weighing !== undefined);
  return wanted !== "generate" && canScore ? "score" : "generate";
}

/**
 * The predictions of all samples as they come: after every row, or every token of generation, those that are new, perhaps
 * none. Short prompts are answered first; `inSampleOrder` puts them back.
 *
 * @throws UserError (DataError) listing prompts with more tokens than the model has positions.
 */
export async function* predictSamples(predictor: Predictor, { task, samples, method }: { task: Task; samples: readonly Sample[]; method: DecodeMethod }): AsyncGenerator<readonly Prediction[]> {
  const encoded = encodeSamples(samples, { ...predictor.encoding, supervise: "nothing" });
  refuseTooLong(encoded, predictor.config.llm_config.max_position_embeddings);
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const responses = method === "generate" ? generateAnswers(predictor, task, encoded) : task.weighing === undefined ? scoreAnswers(predictor, task, encoded) : weighAnswers(predictor, { weighing: task.weighing, samples, encoded });
  let milliseconds = 0;
  let started = performance.now();
  for await (const some of responses) {
    milliseconds += performance.now() - started;
    yield some.map((response) => toPrediction(task, byId.get(response.sampleId), { ...response, seconds: milliseconds / 1000 / some.length }));
    if (some.length > 0) milliseconds = 0;
    await new Promise((resolve) => setImmediate(resolve)); // signals and progress get their turn
    started = performance.now();
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
  readonly sampleId: string;
  readonly text: string;
  readonly scores?: Readonly<Record<string, number>>;
}

/** `seconds` of answers that came together are shared equally. */
function toPrediction(task: Task, sample: Sample | undefined, { text, scores, seconds }: Response & { seconds: number }): Prediction {
  if (sample === undefined) throw new Error("internal error: a prediction without its sample");
  const response = task.restore?.(text, sample) ?? text;
  const parsed = task.parse(response);
  return { id: sample.id, task: task.name, gold: goldOf(sample), response, ...(parsed === undefined ? {} : { parsed }), ...(scores === undefined ? {} : { scores }), seconds };
}

/** The likeliest of the task's answers, row by row. */
async function* scoreAnswers(predictor: Predictor, { answers = [] }: Task, samples: readonly EncodedSample[]): AsyncGenerator<readonly Response[], void> {
  for await (const row of answerLikelihoods(predictor, samples, () => answers)) {
    yield row.map(({ sampleId, logProbs }) => {
      const best = logProbs.indexOf(Math.max(...logProbs));
      return { sampleId, text: answers[best] ?? "", scores: Object.fromEntries(answers.map((answer, j) => [answer, logProbs[j] ?? Number.NaN])) };
    });
  }
}

/** What the likelihoods of each sample's own candidates speak for. */
async function* weighAnswers(predictor: Predictor, { weighing, samples, encoded }: { weighing: Weighing; samples: readonly Sample[]; encoded: readonly EncodedSample[] }): AsyncGenerator<readonly Response[], void> {
  const candidates = new Map(samples.map((sample) => [sample.id, weighing.candidates(sample)]));
  const candidatesOf = (sampleId: string): readonly string[] => candidates.get(sampleId) ?? [];
  for await (const row of answerLikelihoods(predictor, encoded, candidatesOf)) {
    yield row.map(({ sampleId, logProbs }) => {
      const weighed = candidatesOf(sampleId).map((answer, i) => ({ answer, probability: Math.exp(logProbs[i] ?? -Infinity) }));
      return { sampleId, text: weighing.choose(weighed, predictor.pairThreshold) };
    });
  }
}

interface Likelihoods {
  readonly sampleId: string;
  /** Of the sample's answers, in their order. */
  readonly logProbs: readonly number[];
}

/** Row by row. */
async function* answerLikelihoods(predictor: Predictor, samples: readonly EncodedSample[], answersOf: (sampleId: string) => readonly string[]): AsyncGenerator<readonly Likelihoods[], void> {
  const encoded = new Map<string, Int32Array>();
  const idsOf = (answer: string): Int32Array => {
    const ids = encoded.get(answer) ?? encodeAnswer(answer, predictor.encoding);
    encoded.set(answer, ids);
    return ids;
  };
  for (const { row, prompts } of promptRows(samples, (sampleId) => answersOf(sampleId).map(idsOf), predictor.rowTokens)) {
    const logProbs = await answerLogProbs(predictor.params, predictor.config, { ...(await withMedia(predictor, row)), answers: prompts.flatMap(({ answers }) => answers) });
    let start = 0;
    yield prompts.map(({ sampleId, answers }) => ({ sampleId, logProbs: logProbs.slice(start, (start += answers.length)) }));
  }
}

/** Greedy text; the prompts of all rows are answered together. */
async function* generateAnswers(predictor: Predictor, { maxNewTokens }: Task, samples: readonly EncodedSample[]): AsyncGenerator<readonly Response[], void> {
  const { params, config, encoding: { tokenizer, template } } = predictor;
  const rows = promptRows(samples, [], predictor.rowTokens);
  const sampleIds = rows.flatMap(({ prompts }) => prompts.map(({ sampleId }) => sampleId));
  const input = { rows: unreadRows(predictor, rows), maxNewTokens, stopIds: new Set([tokenizer.idOf(template.endToken)]) };
  for await (const answers of generateGreedy(params, config, input)) yield answers.map(({ prompt, ids }) => ({ sampleId: sampleIds[prompt] ?? "", text: tokenizer.decode(ids) }));
}

async function* unreadRows(predictor: Predictor, rows: readonly PromptRow[]): AsyncGenerator<UnreadRow, void> {
  for (const { row, prompts } of rows) {
    const { batch, media } = await withMedia(predictor, row);
    yield { ...batch, features: () => batchFeatures(predictor.params, predictor.config, media), ends: prompts.map(({ end }) => end) };
  }
}

async function withMedia({ encoding, media }: Predictor, row: PackedRow): Promise<BatchWithMedia> {
  const batch = buildBatch([row], featureRows(encoding.mediaTokens));
  return { batch, media: await media(batch) };
}
