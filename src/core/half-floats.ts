/** @file 16-bit floating-point numbers, IEEE's (float16) and the upper half of a float32 (bfloat16), rounded to nearest, ties to even. */

export const FLOAT_TYPES = ["float32", "float16", "bfloat16"] as const;
export type FloatType = (typeof FLOAT_TYPES)[number];

/** The largest number of float16; what rounds to more becomes infinite. */
export const LARGEST_HALF = 65_504;

export const FLOAT_BYTES = { float32: 4, float16: 2, bfloat16: 2 } as const satisfies Record<FloatType, number>;

/** The numbers in the given type, in the machine's byte order; of float32 the very memory. */
export function encodeFloats(values: Float32Array, type: FloatType): Uint8Array {
  if (type === "float32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const narrow = type === "float16" ? floatToHalf : floatToBrain;
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const encoded = new Uint16Array(values.length);
  for (let i = 0; i < encoded.length; i++) encoded[i] = narrow(bits[i]!);
  return new Uint8Array(encoded.buffer);
}

/** What `encodeFloats` wrote; of float32 the very memory where it is aligned. */
export function decodeFloats(bytes: Uint8Array, type: FloatType): Float32Array {
  const size = FLOAT_BYTES[type];
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const length = bytes.byteLength / size;
  if (type === "float32") return new Float32Array(buffer, byteOffset, length);
  const widen = type === "float16" ? halfToFloat : brainToFloat;
  const encoded = new Uint16Array(buffer, byteOffset, length);
  const bits = new Int32Array(length);
  for (let i = 0; i < length; i++) bits[i] = widen(encoded[i]!);
  return new Float32Array(bits.buffer);
}

/** Bits of the float32 that equals the float16 with these bits. */
export function halfToFloat(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 31) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  // Subnormal half: shift its leading one to the implicit place of a normal float32.
  const shift = Math.clz32(mantissa) - 21;
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13);
}

/** Bits of the float32 that equals the bfloat16 with these bits. */
export function brainToFloat(brain: number): number {
  return brain << 16;
}

const INFINITE = 0x7f800000;
/** 2^-14, the smallest normal float16, as a float32. */
const SMALLEST_NORMAL_HALF = 0x38800000;
/** 65536, from which on nothing rounds to a finite float16. */
const BEYOND_HALF = 0x47800000;

/** Bits of the float16 nearest to the float32 with these bits. */
function floatToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > INFINITE) return sign | 0x7e00; // not a number
  if (size >= BEYOND_HALF) return sign | 0x7c00;
  if (size < SMALLEST_NORMAL_HALF) return sign | subnormalHalf(size);
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13); // 112 << 23: the exponents' offsets differ
}

/** In units of 2^-24; 1024 of them are the smallest normal number, whose bits they are too. */
function subnormalHalf(size: number): number {
  const shift = 126 - (size >>> 23);
  if (shift > 24) return 0; // below half a unit
  const mantissa = (size & 0x7fffff) | 0x800000;
  return (mantissa + (1 << (shift - 1)) - 1 + ((mantissa >>> shift) & 1)) >>> shift;
}

/** Bits of the bfloat16 nearest to the float32 with these bits. */
function floatToBrain(bits: number): number {
  if ((bits & 0x7fffffff) > INFINITE) return (bits >>> 16) | 0x40; // stays not a number
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
