/** @file The whole model with its adapters folded in, as a Hugging Face folder in shards; read again and asked before it counts. */
import { copyFile, readdir, readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { UserError } from "../core/errors.ts";
import { toJson, writeFileAtomic } from "../core/files.ts";
import { loadWeights, type ModelFolder, readModelFolder } from "../model/checkpoints/hf-folder.ts";
import { keyLayoutOf, original } from "../model/checkpoints/key-layouts.ts";
import { writeShards } from "../model/checkpoints/sharded-folder.ts";
import { openWeightFiles, type WeightFiles } from "../model/checkpoints/weight-files.ts";
import { rowParts } from "../model/checkpoints/write-peft.ts";
import type { StoredTensor, TensorToWrite } from "../model/checkpoints/write-safetensors.ts";
import { packsOf } from "../model/frozen-base.ts";
import { isLora, mergeLora } from "../model/lora.ts";
import { ParamStore } from "../model/params.ts";
import type { ExportInput, ExportOutcome } from "./export-checkpoint.ts";
import { type LogitDifference, logitDifference, promptLogits } from "./fixed-prompts.ts";

/** What rounding may change: of a logit, or of the largest one where that is above 1. */
const TOLERANCE = 1e-4;
/** Small files of a model folder that make it complete: configs, tokenizers, the model's own code. */
const COPIED = [".json", ".txt", ".model", ".py", ".jinja"];

/** Fills the folder. The adapters in `loaded.params` are folded in; then these are disposed, so that one model at a time is in memory. */
export async function writeMerged({ config, open: { model, encoding }, loaded: { params, changed }, writing, signal }: ExportInput): Promise<ExportOutcome> {
  const expected = await promptLogits(params, model.config, encoding.tokenizer);
  const alsoTrained = changed.filter((name) => !isLora(name));
  const merged = mergeLora(params);
  // Adapters were trained beside rounded weights: those go with them.
  const packs = packsOf(config.model.frozenBase);
  const rounded = params.names().filter((name) => packs(name, params.shapeOf(name)));
  const touched = new Set([...alsoTrained, ...merged.map((module) => `${module}.weight`), ...rounded]);
  const files = config.model.init === "random" ? undefined : await openWeightFiles(model.folder);
  try {
    await writeShards(writing, tensorsOf(params, { files, model, touched }));
  } finally {
    await files?.close();
  }
  await copyDescription(model, writing);
  params.dispose();
  signal.throwIfAborted();
  const logits = await readAgain(writing, expected, encoding.tokenizer);
  return { adapters: merged.length, alsoTrained: alsoTrained.length, logits };
}

/** Weights that neither training nor rounding touched go as they are stored, others as float32. */
function tensorsOf(params: ParamStore, { files, model, touched }: { readonly files: WeightFiles | undefined; readonly model: ModelFolder; readonly touched: ReadonlySet<string> }): (TensorToWrite | StoredTensor)[] {
  // The native class has no audio tower.
  const layout = files === undefined || model.audioFolder !== undefined ? original : keyLayoutOf(files.tensors.keys());
  return params.names().flatMap((name) => rowParts(params, name, layout.keysOf(name)).map((part) => (touched.has(name) ? part : (stored(files, part.name) ?? part))));
}

function stored(files: WeightFiles | undefined, name: string): StoredTensor | undefined {
  const file = files?.tensors.get(name);
  if (file === undefined) return undefined;
  const { dtype, shape } = file.info(name);
  return { name, dtype, shape, bytes: () => file.readBytes(name) };
}

async function copyDescription({ folder, audioFolder, config }: ModelFolder, writing: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const isWanted = COPIED.includes(extname(name)) && !name.endsWith(".index.json") && (await stat(join(folder, name))).isFile();
    if (isWanted) await copyFile(join(folder, name), join(writing, name));
  }
  if (audioFolder === undefined) return;
  const own: unknown = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  const isNative = typeof own === "object" && own !== null && "text_config" in own;
  await writeFileAtomic(join(writing, "config.json"), toJson(isNative ? config : { ...(own as object), audio_config: config.audio_config }));
}

async function readAgain(writing: string, expected: readonly Float32Array[], tokenizer: ExportInput["open"]["encoding"]["tokenizer"]): Promise<LogitDifference> {
  const folder = await readModelFolder(writing);
  const params = new ParamStore();
  try {
    await loadWeights(folder, params);
    const found = logitDifference(expected, await promptLogits(params, folder.config, tokenizer));
    const limit = TOLERANCE * Math.max(1, found.largest);
    if (found.difference <= limit) return found;
    throw new UserError({
      kind: "SystemError",
      where: writing,
      what: `the merged model, read again, is not base with adapters. Got logits that differ by ${found.difference.toExponential(1)}, expected at most ${limit.toExponential(1)}`,
      hint: "Nothing was written. Try another --backend; a disk or memory fault shows like this too.",
    });
  } finally {
    params.dispose();
  }
}
