/** @file Conversations like ECF's: ten turns in the prompt, six of them asked about; words are random. */
import { join } from "node:path";
import { rng } from "../../../src/core/rng.ts";
import { readModelFolder } from "../../../src/model/checkpoints/hf-folder.ts";
import { initRandom } from "../../../src/model/init.ts";
import { ParamStore } from "../../../src/model/params.ts";
import { type EncodedSample, type EncodedSegment, IGNORE_INDEX } from "../../../src/text/encoded-sample.ts";
import { trainSteps } from "../cases/train-steps.ts";
import type { Workload } from "./workload.ts";

const CONVERSATIONS = 24;
const TARGETS = 6;
/** As the tokenizer that is trained on ECF 2.0 makes them: a turn with speaker, emotion and words; a question and its answer. */
const PROMPT = { opening: 40, turns: 10, turn: 24 };
const BRANCH = { question: 28, answer: 10 };

const NO_MEDIA = { videoTokens: 0, audioTokens: 0 };

export async function dialogueWorkload(): Promise<Workload> {
  const { config: model } = await readModelFolder(join(import.meta.dirname, "../../../data/ecf-text-emoverse"));
  const samples = Array.from({ length: CONVERSATIONS }, (_, i) => conversation(`c${i}`, model.llm_config.vocab_size)).flat();
  return {
    name: `${CONVERSATIONS} dialogues`,
    input: { stage: "pairs", seed: 1, mixture: { ecpe: 1 }, budget: { epochs: 1, rowTokens: 1024, rowsPerBatch: 1, accumulation: 1 } },
    samples,
    model,
    framesPerClip: 0,
    featureRows: NO_MEDIA,
    prepare: (training) => {
      const params = new ParamStore();
      initRandom(model, 1, params);
      const trained = params.names().filter((name) => name.startsWith("language_model."));
      return trainSteps({ params, config: model, ...training, media: () => ({}), learningRates: new Map(trained.map((name) => [name, 1e-4])) });
    },
  };
}

function conversation(id: string, vocabulary: number): EncodedSample[] {
  const draw = rng("bench dialogues", id);
  const segment = (length: number, supervised = 0): EncodedSegment => {
    const inputIds = Int32Array.from({ length }, () => draw.integer(vocabulary));
    return { inputIds, labels: inputIds.map((token, i) => (i < length - supervised ? IGNORE_INDEX : token)), slots: [] };
  };
  const prefix = segment(PROMPT.opening + PROMPT.turns * PROMPT.turn);
  return Array.from({ length: TARGETS }, (_, i) => ({
    id: `${id}/${i}`,
    task: "ecpe",
    unit: id,
    prefixKey: id,
    prefix,
    branch: segment(BRANCH.question + BRANCH.answer, BRANCH.answer),
    answerTokens: BRANCH.answer,
  }));
}
