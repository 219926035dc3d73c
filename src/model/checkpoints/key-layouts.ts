/**
 * @file The two ways in which weights of one model are named: InternVL's own, which the store uses, and that of
 * transformers' native class (the `-hf` repositories, InternVLForConditionalGeneration), which keeps q, k and v of the
 * vision tower apart. Native files come in two ages: 4.52 wrote `language_model.model.`, later ones `model.language_model.`.
 */

export interface KeyLayout {
  /** Tensors of the file whose rows, one below the other, are the parameter. */
  readonly keysOf: (parameter: string) => readonly string[];
}

export const original: KeyLayout = { keysOf: (parameter) => [parameter] };

/** The layout of a file with these tensors. */
export function keyLayoutOf(keys: Iterable<string>): KeyLayout {
  for (const key of keys) {
    if (key.startsWith("model.vision_tower.")) return native;
    if (key.startsWith("vision_tower.")) return olderNative;
  }
  return original;
}

/** Names of modules as PEFT sees them: those of the class in memory, which for native files of both ages are the later ones. */
export function moduleLayoutOf(keys: Iterable<string>): KeyLayout {
  return keyLayoutOf(keys) === original ? original : native;
}

interface NativeNames {
  readonly tower: string;
  readonly projector: string;
  readonly decoder: string;
  readonly head: string;
}

/** Name in InternVL's vision tower -> name in the native one. */
const EMBEDDINGS: ReadonlyMap<string, string> = new Map([
  ["class_embedding", "cls_token"],
  ["position_embedding", "position_embeddings"],
  ["patch_embedding.weight", "patch_embeddings.projection.weight"],
  ["patch_embedding.bias", "patch_embeddings.projection.bias"],
]);
const LAYER: readonly (readonly [RegExp, string])[] = [
  [/^attn\.proj\./, "attention.projection_layer."],
  [/^attn\.([qk])_norm\./, "attention.$1_norm."],
  [/^norm1\./, "layernorm_before."],
  [/^norm2\./, "layernorm_after."],
  [/^ls([12])$/, "lambda_$1"],
];
const PROJECTOR: ReadonlyMap<string, string> = new Map([["0", "layer_norm"], ["1", "linear_1"], ["3", "linear_2"]]);

function nativeLayout(names: NativeNames): KeyLayout {
  return { keysOf: (parameter) => nativeKeys(parameter, names) };
}

const native = nativeLayout({ tower: "model.vision_tower", projector: "model.multi_modal_projector", decoder: "model.language_model", head: "lm_head" });
const olderNative = nativeLayout({ tower: "vision_tower", projector: "multi_modal_projector", decoder: "language_model.model", head: "language_model.lm_head" });

export const KEY_LAYOUTS: readonly KeyLayout[] = [original, native, olderNative];

function nativeKeys(parameter: string, { tower, projector, decoder, head }: NativeNames): readonly string[] {
  const embedding = /^vision_model\.embeddings\.(.+)$/.exec(parameter)?.[1];
  if (embedding !== undefined) return [`${tower}.embeddings.${EMBEDDINGS.get(embedding) ?? embedding}`];
  const [, index, inner] = /^vision_model\.encoder\.layers\.(\d+)\.(.+)$/.exec(parameter) ?? [];
  if (index !== undefined && inner !== undefined) return layerKeys(inner).map((key) => `${tower}.encoder.layer.${index}.${key}`);
  const [, number = "", kind] = /^mlp1\.(\d)\.(weight|bias)$/.exec(parameter) ?? [];
  if (kind !== undefined) return [`${projector}.${PROJECTOR.get(number) ?? number}.${kind}`];
  if (parameter.startsWith("language_model.lm_head.")) return [parameter.replace("language_model.lm_head", head)];
  return [parameter.replace(/^language_model\.model\./, `${decoder}.`)];
}

function layerKeys(inner: string): readonly string[] {
  const joined = /^attn\.qkv\.(weight|bias)$/.exec(inner)?.[1];
  if (joined !== undefined) return ["q", "k", "v"].map((part) => `attention.${part}_proj.${joined}`);
  return [LAYER.reduce((key, [pattern, replacement]) => key.replace(pattern, replacement), inner)];
}
