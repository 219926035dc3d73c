/** @file config.json of a model folder: read, checked for shape and for sizes that must fit together. */
import { UserError } from "../../core/errors.ts";
import { modelConfigSchema, type ModelConfig } from "../config.ts";
import { modelFaults } from "./config-faults.ts";
import { architectureOf, checkedConfig, readConfigFile } from "./config-file.ts";
import { asOriginalConfig, NATIVE_ARCHITECTURE } from "./native-config.ts";

const ARCHITECTURES: readonly string[] = ["InternVLChatModel", NATIVE_ARCHITECTURE];

/**
 * The parsed config.json of a model folder.
 *
 * @throws UserError - CheckpointError listing every field that is missing, of the wrong type, or does not fit the others.
 */
export async function readModelConfig(folder: string): Promise<ModelConfig> {
  const { path, json } = await readConfigFile(folder, "Point model.folder to a Hugging Face style folder: config.json, tokenizer.json and, unless model.init is random, safetensors.");
  const architecture = architectureOf(json);
  // A folder of another kind of model is told as such, not by the fields it lacks.
  if (architecture !== undefined && !ARCHITECTURES.includes(architecture)) {
    throw new UserError({ kind: "CheckpointError", where: path, what: `architectures: Got "${architecture}", expected ${ARCHITECTURES.join(" or ")}`, hint: "Only models of the InternVL2, 2.5 and 3 families can be loaded." });
  }
  return checkedConfig(modelConfigSchema.safeParse(asOriginalConfig(json)), path, modelFaults);
}
