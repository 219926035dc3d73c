/** The part of fft.js that is used; the package ships no types. */
declare module "fft.js" {
  export default class FFT {
    /** `size` is a power of two. */
    constructor(size: number);
    /** Complex numbers lie interleaved: [re, im, re, im, ...]; `out` and `data` must differ. */
    transform(out: Float64Array, data: Float64Array): void;
    /** Includes the division by `size`. */
    inverseTransform(out: Float64Array, data: Float64Array): void;
  }
}
