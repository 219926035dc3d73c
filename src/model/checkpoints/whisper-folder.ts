/**
 * @file A whisper-* folder as Hugging Face lays it out, of which the encoder is used. Its tensors are called
 * `model.encoder.*` in the files of a whole model and `encoder.*` in those of the bare one and of classifiers built on it;
 * whatever else the files hold (decoder, classifier) is passed over.
 */
import { UserError } from "../../core/errors.ts";
import { type AudioConfig, audioConfigSchema } from "../config.ts";
import { audioFaults } from "./config-faults.ts";
import { architectureOf, checkedConfig, readConfigFile } from "./config-file.ts";
import type { KeyLayout } from "./key-layouts.ts";

/**
 * What the folder's config.json says of the encoder.
 *
 * @throws UserError - CheckpointError when it is missing or malformed, or of another kind of model.
 */
export async function readWhisperConfig(folder: string): Promise<AudioConfig> {
  const { path, json } = await readConfigFile(folder, "Point model.audioFolder to a whisper-* folder of Hugging Face: config.json and safetensors.");
  const kind = modelType(json) ?? architectureOf(json) ?? "nothing";
  if (!/^whisper/i.test(kind)) {
    throw new UserError({ kind: "CheckpointError", where: path, what: `model_type: Got "${kind}", expected "whisper"`, hint: "Only the encoders of Whisper models can be loaded as an audio tower." });
  }
  return checkedConfig(audioConfigSchema.safeParse(json), path, audioFaults);
}

/** Where the encoder's parameters lie in a file with these tensors. */
export function whisperLayout(keys: Iterable<string>): KeyLayout & { readonly isEncoder: (key: string) => boolean } {
  const prefix = [...keys].some((key) => key.startsWith("model.encoder.")) ? "model.encoder." : "encoder.";
  return { keysOf: (parameter) => [parameter.replace(/^audio_model\.encoder\./, prefix)], isEncoder: (key) => key.startsWith(prefix) };
}

function modelType(json: unknown): string | undefined {
  return typeof json === "object" && json !== null && "model_type" in json && typeof json.model_type === "string" ? json.model_type : undefined;
}
