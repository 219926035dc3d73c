/** @file InternViT-6B's layer written a second time, in doubles and plain loops; no published fixture of it is small enough. */

type Read = (name: string) => unknown;

/** One picture's tokens after the layer. */
export function referenceVisionLayer(read: Read, [tokens = []]: readonly number[][][], { numHeads, eps }: { numHeads: number; eps: number }): number[][] {
  const vector = (name: string): number[] => read(name) as number[];
  const affine = (name: string, x: number[]): number[] => (read(`${name}.weight`) as number[][]).map((row, i) => dot(row, x) + (BIASED.has(name) ? vector(`${name}.bias`)[i]! : 0));
  const rms = (name: string, x: number[]): number[] => x.map((value, i) => (value / Math.sqrt(dot(x, x) / x.length + eps)) * vector(name)[i]!);

  const width = tokens[0]!.length;
  const qkv = tokens.map((token) => affine("attn.qkv", rms("norm1.weight", token)));
  const queries = qkv.map((row) => rms("attn.q_norm.weight", row.slice(0, width)));
  const keys = qkv.map((row) => rms("attn.k_norm.weight", row.slice(width, 2 * width)));
  const values = qkv.map((row) => row.slice(2 * width));
  const attended = attention({ queries, keys, values, numHeads });

  return tokens.map((token, t) => {
    const out = affine("attn.proj", attended[t]!);
    const between = token.map((value, i) => value + vector("ls1")[i]! * out[i]!);
    const inner = affine("mlp.fc1", rms("norm2.weight", between)).map((value) => value * normalDistribution(value));
    const fed = affine("mlp.fc2", inner);
    return between.map((value, i) => value + vector("ls2")[i]! * fed[i]!);
  });
}

const BIASED = new Set(["attn.proj", "mlp.fc1", "mlp.fc2"]);

function attention({ queries, keys, values, numHeads }: { queries: number[][]; keys: number[][]; values: number[][]; numHeads: number }): number[][] {
  const headDim = queries[0]!.length / numHeads;
  return queries.map((query) =>
    Array.from({ length: numHeads }, (_, head) => {
      const part = (row: number[]): number[] => row.slice(head * headDim, (head + 1) * headDim);
      const weights = keys.map((key) => Math.exp(dot(part(query), part(key)) / Math.sqrt(headDim)));
      const total = weights.reduce((a, b) => a + b);
      return Array.from({ length: headDim }, (__, d) => weights.reduce((sum, weight, l) => sum + (weight / total) * part(values[l]!)[d]!, 0));
    }).flat(),
  );
}

/** Integral of the standard normal density up to x, by Simpson's rule: independent of any erf approximation. */
function normalDistribution(x: number): number {
  const steps = 2000;
  const step = x / steps;
  const density = (t: number): number => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(x);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * density(i * step);
  return 0.5 + (sum * step) / 3;
}

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}
