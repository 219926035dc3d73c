/**
 * @file The media of batches: decoded clips for towers that are trained, states for those that are not. States are looked
 * for in memory, then on disk; else the tower encodes the clip, alone, so that it does not matter where they come from.
 */
import { getBackend } from "@tensorflow/tfjs-core";
import { concatArrays } from "../core/arrays.ts";
import { invariant, UserError } from "../core/errors.ts";
import { decodeFloats, encodeFloats, type FloatType, LARGEST_HALF } from "../core/half-floats.ts";
import { batchMedia, type BatchMedia, type ClipArray } from "../curriculum/batch-media.ts";
import type { Batch } from "../curriculum/batch.ts";
import type { Clip, ClipSpec } from "../media/clip.ts";
import { normalizePixels } from "../media/pixels.ts";
import type { ModelConfig } from "../model/config.ts";
import { sizeOfShape, type ParamStore } from "../model/params.ts";
import { encodeClipFrames, encodeClipSound, statesShape, type Tower, towerHash } from "../model/tower-states.ts";
import { inputsOf, type RunClips } from "./clips.ts";
import type { Experiment } from "./experiment.ts";
import { hasStatesFile, readStates, type StatesPlace, towerKey, writeStates } from "./feature-cache.ts";

export interface BatchSourceOptions {
  readonly experiment: Pick<Experiment, "config" | "model" | "clipSpec">;
  readonly clips: RunClips;
  /** Borrowed; the weights of frozen towers must not change as long as the source is used. */
  readonly params: ParamStore;
  readonly frozen: readonly Tower[];
}

/** On the current backend. Weights of frozen towers, a second of work for every GB, are hashed if there is a cache and their input is switched on. */
export async function openBatchSource({ experiment: { config, model, clipSpec }, clips, params, frozen }: BatchSourceOptions): Promise<BatchSource> {
  const { featureType: type } = config.data;
  const inputs = inputsOf({ config, model });
  const towers = new Map<Tower, string>();
  for (const tower of frozen) {
    const isNamed = clips.cache !== undefined && inputs.includes(tower);
    towers.set(tower, isNamed ? towerKey({ hash: await towerHash(params, model.config, tower), backend: getBackend(), precision: config.precision, type }) : "");
  }
  return new BatchSource({ clips, params, towers, type, config: model.config, clipSpec });
}

interface Parts {
  readonly clips: RunClips;
  readonly params: ParamStore;
  /** Frozen ones with their keys. */
  readonly towers: ReadonlyMap<Tower, string>;
  readonly type: FloatType;
  readonly config: ModelConfig;
  readonly clipSpec: ClipSpec;
}

/** States by where they came from, memory left out. `rebuilt`: the entry on disk was damaged. `bytes`: written. */
export interface StatesCounts {
  readonly computed: number;
  readonly read: number;
  readonly rebuilt: number;
  readonly bytes: number;
}

export class BatchSource {
  readonly #parts: Parts;
  readonly #counts = { computed: 0, read: 0, rebuilt: 0, bytes: 0 };

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get counts(): StatesCounts {
    return { ...this.#counts };
  }

  /** @throws UserError (MediaError) when a clip that was readable is not any more. */
  async media({ videoClips, audioClips }: Pick<Batch, "videoClips" | "audioClips">, signal?: AbortSignal): Promise<BatchMedia> {
    const { towers, clipSpec } = this.#parts;
    const asStates = { video: towers.has("video") ? videoClips : [], audio: towers.has("audio") ? audioClips : [] };
    const asClips = { videoClips: towers.has("video") ? [] : videoClips, audioClips: towers.has("audio") ? [] : audioClips };
    const clips = new Map<string, Clip>();
    for (const id of new Set([...asClips.videoClips, ...asClips.audioClips])) clips.set(id, await this.#parts.clips.store.clip(id, signal));
    const states: Record<Tower, Map<string, Float32Array>> = { video: new Map(), audio: new Map() };
    for (const id of new Set([...asStates.video, ...asStates.audio])) {
      const wanted = [...towers.keys()].filter((tower) => asStates[tower].includes(id));
      for (const [tower, values] of await this.states(id, wanted, { signal })) states[tower].set(id, values);
    }
    const arrayOf = (tower: Tower): ClipArray => this.#clipArray(tower, asStates[tower].map((id) => states[tower].get(id) ?? new Float32Array()));
    return {
      ...batchMedia(asClips, clips, clipSpec),
      ...(asStates.video.length === 0 ? {} : { patchStates: arrayOf("video") }),
      ...(asStates.audio.length === 0 ? {} : { soundStates: arrayOf("audio") }),
    };
  }

  /** Those of the towers whose states of a clip are not on disk. */
  async missing(id: string, wanted: readonly Tower[], signal?: AbortSignal): Promise<Tower[]> {
    const { cache } = this.#parts.clips;
    const missing: Tower[] = [];
    for (const tower of wanted) if (cache === undefined || !(await hasStatesFile(cache, await this.#placeOf(id, tower, signal)))) missing.push(tower);
    return missing;
  }

  /** States of a clip by tower; what is missing is encoded, from `decoded` where it is given, and stored. */
  async states(id: string, wanted: readonly Tower[], { signal, decoded }: { readonly signal?: AbortSignal | undefined; readonly decoded?: Clip | undefined } = {}): Promise<Map<Tower, Float32Array>> {
    const { store, states: shelf } = this.#parts.clips;
    const found = new Map<Tower, Float32Array>();
    let clip = decoded;
    for (const tower of wanted) {
      const shelved = shelf.get(this.#shelfKey(id, tower));
      const stored = shelved ?? (await this.#stored(id, tower, signal));
      if (stored === "absent" || stored === "corrupt") {
        clip ??= await store.passing(id, signal);
        found.set(tower, await this.#encode(id, tower, clip));
        this.#counts[stored === "corrupt" ? "rebuilt" : "computed"] += 1;
      } else {
        found.set(tower, stored);
        if (shelved === undefined) this.#counts.read += 1;
      }
    }
    for (const [tower, values] of found) shelf.set(this.#shelfKey(id, tower), values, values.byteLength);
    return found;
  }

  async #stored(id: string, tower: Tower, signal: AbortSignal | undefined): Promise<Float32Array | "absent" | "corrupt"> {
    const { cache } = this.#parts.clips;
    if (cache === undefined) return "absent";
    const stored = await readStates(cache, await this.#placeOf(id, tower, signal), sizeOfShape(this.#shapeOf(tower)));
    if (stored === "corrupt") cache.countDamaged();
    return stored;
  }

  async #encode(id: string, tower: Tower, clip: Clip): Promise<Float32Array> {
    const { params, config, type, clips: { cache } } = this.#parts;
    const exact = tower === "video" ? await encodeClipFrames(params, config, normalizePixels(partOf(clip.pixels, id, tower))) : await encodeClipSound(params, config, partOf(clip.mel, id, tower));
    const size = sizeOfShape(this.#shapeOf(tower));
    invariant(exact.length === size, () => `${tower} of clip ${id}: ${exact.length} numbers, expected ${size}`);
    const values = rounded(exact, type, `${tower} of clip ${id}`);
    if (cache !== undefined) this.#counts.bytes += await writeStates(cache, await this.#placeOf(id, tower), values);
    return values;
  }

  async #placeOf(id: string, tower: Tower, signal?: AbortSignal): Promise<StatesPlace> {
    const { clips, towers, type } = this.#parts;
    const part = (await clips.store.keys(id, signal))[tower];
    const key = towers.get(tower);
    invariant(part !== undefined && key !== undefined, () => `${tower} of clip ${id} is not wanted`);
    return { part, tower: key, type };
  }

  #shelfKey(id: string, tower: Tower): string {
    return `${tower}/${this.#parts.towers.get(tower)}/${id}`;
  }

  #clipArray(tower: Tower, states: readonly Float32Array[]): ClipArray {
    return { values: concatArrays(Float32Array, states), shape: [states.length, ...this.#shapeOf(tower)] };
  }

  #shapeOf(tower: Tower): number[] {
    return statesShape(this.#parts.config, tower, this.#parts.clipSpec.frames);
  }
}

function partOf<A>(part: A | undefined, id: string, tower: Tower): A {
  invariant(part !== undefined, () => `clip ${id} was not loaded with ${tower}`);
  return part;
}

/** As they would come back from the disk. */
function rounded(values: Float32Array, type: FloatType, where: string): Float32Array {
  if (type === "float32") return values;
  const result = decodeFloats(encodeFloats(values, type), type);
  const beyond = values.find((value, i) => Number.isFinite(value) && !Number.isFinite(result[i]));
  if (beyond === undefined) return result;
  throw new UserError({ kind: "ConfigError", where: `data.featureType, ${where}`, what: `a tower gives ${beyond}, expected at most ${LARGEST_HALF} in size for ${type}`, hint: "Set data.featureType to bfloat16, which takes the same space, or to float32." });
}
