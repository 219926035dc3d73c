/** @file Clip: what a media file becomes before it meets the model; still integers for pixels, exact features for sound. */

/** Frames and sound of one clip, at the model's input sizes. */
export interface Clip {
  /** uint8 RGB [frames, height, width, 3]; absent when the clip has no picture or video is switched off. */
  readonly pixels?: Uint8Array;
  /** Whisper log-mel [melBins, melFrames], channels first; absent without sound or when audio is switched off. */
  readonly mel?: Float32Array;
}

/** What a clip is decoded to; part of the cache key. */
export interface ClipSpec {
  readonly frames: number;
  /** Side of the square frame in pixels. */
  readonly imageSize: number;
  readonly melBins: number;
  /** Length of the log-mel after zero-padding or cutting (Whisper: 3000 = 30 s). */
  readonly melFrames: number;
}
