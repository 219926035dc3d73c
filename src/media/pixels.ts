/**
 * @file Pictures to model input: Pillow's bicubic resize and ImageNet's normalisation.
 *
 * Published vision towers were trained on Pillow's resize, and no other resizer gives its numbers (differences up to
 * 133 of 255 when enlarging). It is separable: cubic with a = -0.5, support widened when shrinking, 22-bit fixed-point
 * weights, horizontal pass first, rounded to uint8 between the passes.
 */

/** uint8 RGB [height, width, 3]. */
export interface RgbImage {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/**
 * The picture in another size, equal to Pillow's `resize((width, height))` to the bit.
 *
 * @see Pillow, src/libImaging/Resample.c
 */
export function resizeBicubic(image: RgbImage, { width, height }: { width: number; height: number }): RgbImage {
  const horizontal = width === image.width ? image : resizeRows(image, width);
  return height === image.height ? horizontal : resizeColumns(horizontal, height);
}

/** float32 of the same layout, channels last: (value / 255 - mean) / std, rounded at each step as torchvision does. */
export function normalizePixels(pixels: Uint8Array): Float32Array {
  const normalized = new Float32Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) normalized[i] = NORMALIZED[(i % 3) * 256 + pixels[i]!]!;
  return normalized;
}

const IMAGENET_MEAN = [0.485, 0.456, 0.406] as const;
const IMAGENET_STD = [0.229, 0.224, 0.225] as const;

/** [3, 256] */
const NORMALIZED = Float32Array.from({ length: 3 * 256 }, (_, i) => {
  const channel = i < 256 ? 0 : i < 512 ? 1 : 2;
  const centred = Math.fround(Math.fround((i % 256) / 255) - Math.fround(IMAGENET_MEAN[channel]));
  return centred / Math.fround(IMAGENET_STD[channel]);
});

const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);

function resizeRows({ pixels, width, height }: RgbImage, newWidth: number): RgbImage {
  const { starts, counts, weights, taps } = filterWeights(width, newWidth);
  const resized = new Uint8Array(newWidth * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < newWidth; x++) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let from = (y * width + starts[x]!) * 3;
      for (let k = x * taps, end = k + counts[x]!; k < end; k++, from += 3) {
        const weight = weights[k]!;
        red += pixels[from]! * weight;
        green += pixels[from + 1]! * weight;
        blue += pixels[from + 2]! * weight;
      }
      const to = (y * newWidth + x) * 3;
      resized[to] = toByte(red);
      resized[to + 1] = toByte(green);
      resized[to + 2] = toByte(blue);
    }
  }
  return { pixels: resized, width: newWidth, height };
}

/** Row by row over a line of accumulators: memory is read in order. */
function resizeColumns({ pixels, width, height }: RgbImage, newHeight: number): RgbImage {
  const { starts, counts, weights, taps } = filterWeights(height, newHeight);
  const rowLength = width * 3;
  const resized = new Uint8Array(rowLength * newHeight);
  const sums = new Int32Array(rowLength);
  for (let y = 0; y < newHeight; y++) {
    sums.fill(HALF);
    for (let k = 0; k < counts[y]!; k++) {
      const weight = weights[y * taps + k]!;
      const from = (starts[y]! + k) * rowLength;
      for (let i = 0; i < rowLength; i++) sums[i] = sums[i]! + pixels[from + i]! * weight;
    }
    const to = y * rowLength;
    for (let i = 0; i < rowLength; i++) resized[to + i] = toByte(sums[i]!);
  }
  return { pixels: resized, width, height: newHeight };
}

function toByte(sum: number): number {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

interface FilterWeights {
  /** Per output position: first input position and number of inputs. */
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** [outputs, taps] fixed point. */
  readonly weights: Int32Array;
  readonly taps: number;
}

function filterWeights(inputs: number, outputs: number): FilterWeights {
  const scale = inputs / outputs;
  const widening = Math.max(scale, 1);
  const support = 2 * widening;
  const taps = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(outputs);
  const counts = new Int32Array(outputs);
  const weights = new Int32Array(outputs * taps);
  for (let output = 0; output < outputs; output++) {
    const centre = (output + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(inputs, Math.trunc(centre + support + 0.5)) - start;
    const exact = Array.from({ length: count }, (_, k) => cubic((k + start - centre + 0.5) * (1 / widening)));
    const sum = exact.reduce((total, weight) => total + weight, 0);
    starts[output] = start;
    counts[output] = count;
    exact.forEach((weight, k) => {
      weights[output * taps + k] = toFixedPoint(sum === 0 ? weight : weight / sum);
    });
  }
  return { starts, counts, weights, taps };
}

function toFixedPoint(weight: number): number {
  return Math.trunc(weight * (1 << PRECISION_BITS) + (weight < 0 ? -0.5 : 0.5));
}

/** Keys' cubic with a = -0.5. */
function cubic(x: number): number {
  const a = -0.5;
  const distance = Math.abs(x);
  if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * a;
  return 0;
}
