/** @file Names and shapes of weights as tables, for the parts that say what a checkpoint must hold. */

export type Shape = readonly number[];
export type Named = readonly [name: string, shape: Shape];

/** A linear layer in torch's orientation: weight [out, in], bias [out]. */
export function linearShapes(name: string, { inputSize, outputSize, bias = "bias" }: { inputSize: number; outputSize: number; bias?: "bias" | "no bias" }): Named[] {
  const weight: Named = [`${name}.weight`, [outputSize, inputSize]];
  return bias === "bias" ? [weight, [`${name}.bias`, [outputSize]]] : [weight];
}

export function layerNormShapes(name: string, width: number): Named[] {
  return [
    [`${name}.weight`, [width]],
    [`${name}.bias`, [width]],
  ];
}

/** The tables of `count` equal layers, named `prefix.0` and on. */
export function repeatedShapes(prefix: string, count: number, layer: readonly Named[]): Named[] {
  return Array.from({ length: count }, (_, i) => layer.map(([name, shape]): Named => [`${prefix}.${i}.${name}`, shape])).flat();
}
