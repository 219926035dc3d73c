/** @file Which weights of a base model that is only adapted are kept in less than 32 bits: the matrices in the layers of decoder and towers. */
import { getBackend } from "@tensorflow/tfjs-core";
import { keepsPackedWeights } from "../backend/blocks.ts";
import { halvedBytes, isHalvable, keepsHalves } from "../backend/half-weight.ts";
import type { FrozenBase, PackedForm } from "../backend/names.ts";
import { isPackable, packedBytes } from "../backend/packed-weight.ts";
import { UserError } from "../core/errors.ts";
import { isLora } from "./lora.ts";
import type { Packs, Shapes } from "./params.ts";

/** Embeddings and heads are looked up or make the logits; projectors are trained with the adapters. */
const IN_A_LAYER = /\.layers\.\d+\..*\.weight$/;

/** Which weights a store of the model is to round. */
export function packsOf(frozenBase: FrozenBase): Packs {
  if (frozenBase === "float32") return () => false;
  const { fits } = FORMS[frozenBase];
  return (name, shape) => IN_A_LAYER.test(name) && !isLora(name) && fits(shape) && frozenBase;
}

interface Form {
  readonly words: string;
  readonly fits: (shape: readonly number[]) => boolean;
  /** Of a matrix that is kept so. */
  readonly bytes: (shape: readonly number[]) => number;
  /** Whether the current backend keeps it. */
  readonly isKept: () => boolean;
}

const FORMS: Readonly<Record<PackedForm, Form>> = {
  float16: { words: "in half precision", fits: isHalvable, bytes: halvedBytes, isKept: keepsHalves },
  int8: { words: "in 8 bits", fits: isPackable, bytes: packedBytes, isKept: keepsPackedWeights },
};

/** The bytes of a matrix that is kept so. */
export function bytesOfPacked(form: PackedForm, shape: readonly number[]): number {
  return FORMS[form].bytes(shape);
}

/** What to say where the current backend cannot keep weights as the config wants them. */
export function frozenBaseNotice(frozenBase: FrozenBase): string | undefined {
  if (frozenBase === "float32" || FORMS[frozenBase].isKept()) return undefined;
  return `model.frozenBase ${frozenBase}: the backend ${getBackend()} keeps every weight as float32; the numbers are rounded as they would be ${FORMS[frozenBase].words}, but take as much memory as before`;
}

/** @throws UserError - ConfigError when a stage would train weights that are kept in less. */
export function refuseToTrainPacked(frozenBase: FrozenBase, { shapes, trained, where }: { shapes: Shapes; trained: readonly string[]; where: string }): void {
  if (frozenBase === "float32") return;
  const packs = packsOf(frozenBase);
  const packed = trained.filter((name) => packs(name, shapes.get(name) ?? []));
  if (packed.length === 0) return;
  throw new UserError({
    kind: "ConfigError",
    where,
    what: `${packed.length} of the trained parameters are kept ${FORMS[frozenBase].words} (model.frozenBase: ${frozenBase}), first "${packed[0]}"`,
    hint: "Match adapters and projectors only, or set model.frozenBase: float32.",
  });
}
