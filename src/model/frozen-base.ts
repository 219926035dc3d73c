/** @file Which weights of a base model that is only adapted are kept in 8 bits: the matrices in the layers of decoder and towers. */
import { getBackend } from "@tensorflow/tfjs-core";
import { keepsPackedWeights } from "../backend/blocks.ts";
import type { FrozenBase } from "../backend/names.ts";
import { isPackable } from "../backend/packed-weight.ts";
import { UserError } from "../core/errors.ts";
import { isLora } from "./lora.ts";
import type { Packs, Shapes } from "./params.ts";

/** Embeddings and heads are looked up or make the logits; projectors are trained with the adapters. */
const IN_A_LAYER = /\.layers\.\d+\..*\.weight$/;

/** Which weights a store of the model is to round. */
export function packsOf(frozenBase: FrozenBase): Packs {
  return (name, shape) => frozenBase === "int8" && IN_A_LAYER.test(name) && !isLora(name) && isPackable(shape);
}

/** What to say where the current backend cannot keep weights in 8 bits. */
export function frozenBaseNotice(frozenBase: FrozenBase): string | undefined {
  if (frozenBase === "float32" || keepsPackedWeights()) return undefined;
  return `model.frozenBase ${frozenBase}: the backend ${getBackend()} keeps every weight as float32; the numbers are rounded as they would be in 8 bits, but take as much memory as before`;
}

/** @throws UserError - ConfigError when a stage would train weights that are kept in 8 bits. */
export function refuseToTrainPacked(frozenBase: FrozenBase, { shapes, trained, where }: { shapes: Shapes; trained: readonly string[]; where: string }): void {
  const packs = packsOf(frozenBase);
  const packed = trained.filter((name) => packs(name, shapes.get(name) ?? []));
  if (packed.length === 0) return;
  throw new UserError({
    kind: "ConfigError",
    where,
    what: `${packed.length} of the trained parameters are kept in 8 bits (model.frozenBase: ${frozenBase}), first "${packed[0]}"`,
    hint: "Match adapters and projectors only, or set model.frozenBase: float32.",
  });
}
