/**
 * @file Answers that grow side by side, one token a step, each in a slot of one cache. One that ends makes room for the
 * next prompt that waits, so the batch stays full: a step costs about the same for one answer as for all of them.
 */
import * as tf from "@tensorflow/tfjs-core";
import { invariant } from "../core/errors.ts";
import type { ModelConfig } from "./config.ts";
import { decodeWithCache } from "./decoder.ts";
import { embedBatch, PARTS } from "./emoverse.ts";
import { type CacheSize, disposeStates, KvCache, type States } from "./kv-cache.ts";
import { likeliestTokens, readTokens } from "./likeliest.ts";
import type { Params } from "./params.ts";

/** A prompt that was read, with the first token of its answer. */
export interface ReadPrompt {
  readonly states: States;
  /** Position id of the first token. */
  readonly position: number;
  readonly answer: Answer;
}

/** An answer so far. */
export interface Answer {
  /** Place of its prompt among all prompts, from 0. */
  readonly prompt: number;
  readonly ids: number[];
}

/** Powers of two, so that few shapes are compiled. */
const MAX_SLOTS = 32;
/** Room in a slot is rounded up to a multiple of this, for the same reason. */
const CAPACITY_MULTIPLE = 128;
/** Positions of all slots together. Very long prompts share the batch with fewer others: Qwen2-0.5B takes 25 KB a position. */
const MAX_POSITIONS = 16_384;

/** An answer in its slot. */
interface Growing {
  readonly answer: Answer;
  /** Of its last token, which the cache does not hold yet. */
  position: number;
}

export class AnswerBatch {
  /** Tokens that an answer may get behind its first. */
  readonly #room: number;
  readonly #hasEnded: (answer: Answer) => boolean;
  readonly #waiting: ReadPrompt[] = [];
  #slots: (Growing | undefined)[] = [];
  #cache: KvCache | undefined;

  constructor({ room, hasEnded }: { readonly room: number; readonly hasEnded: (answer: Answer) => boolean }) {
    this.#room = room;
    this.#hasEnded = hasEnded;
  }

  /** Takes a prompt, states included, whose answer goes on behind its first token. */
  add(prompt: ReadPrompt): void {
    this.#waiting.push(prompt);
  }

  /** Whether a step would leave slots unused that more prompts could fill. */
  hasRoom(): boolean {
    const idle = this.#isIdle() ? MAX_SLOTS : this.#slots.filter((growing) => growing === undefined).length;
    return this.#waiting.length < idle;
  }

  isEmpty(): boolean {
    return this.#isIdle() && this.#waiting.length === 0;
  }

  /** One more token for every answer that has a slot; returns those that end with it. Not for an empty batch, nor before the step before has ended. */
  async step(params: Params, config: ModelConfig): Promise<Answer[]> {
    const cache = this.#isIdle() ? this.#renewCache() : this.#cache;
    invariant(cache !== undefined, () => "answers without a cache");
    this.#admit(cache);
    await addTokens(params, config, { cache, slots: this.#slots });
    const ended = this.#slots.flatMap((growing) => (growing !== undefined && this.#hasEnded(growing.answer) ? [growing.answer] : []));
    this.#slots = this.#slots.map((growing) => (growing !== undefined && this.#hasEnded(growing.answer) ? undefined : growing));
    return ended;
  }

  /** Frees the cache and what waits. */
  dispose(): void {
    this.#cache?.dispose();
    for (const { states } of this.#waiting) disposeStates(states);
  }

  #isIdle(): boolean {
    return this.#slots.every((growing) => growing === undefined);
  }

  /** A cache that the next waiting prompts fit into; the one that is there, if they do. */
  #renewCache(): KvCache {
    const next = this.#waiting.slice(0, MAX_SLOTS);
    const [first] = next;
    invariant(first !== undefined, () => "a step of an empty batch");
    const size = cacheSize(next.map(({ states }) => states.length + this.#room));
    if (this.#cache === undefined || this.#cache.capacity < size.capacity || this.#cache.slots < size.slots) {
      this.#cache?.dispose();
      this.#cache = new KvCache(first.states, size);
    }
    this.#slots = Array.from({ length: this.#cache.slots }, () => undefined);
    return this.#cache;
  }

  /** Puts waiting prompts into free slots, in order; one that is too long for the cache has to wait until it is renewed. */
  #admit(cache: KvCache): void {
    for (const [slot, growing] of this.#slots.entries()) {
      const next = this.#waiting[0];
      if (next === undefined || next.states.length + this.#room > cache.capacity) return;
      if (growing !== undefined) continue;
      cache.fill(slot, next.states);
      disposeStates(next.states);
      this.#slots[slot] = { answer: next.answer, position: next.position };
      this.#waiting.shift();
    }
  }
}

/** Slots and room for prompts that take so many positions with their answers. */
function cacheSize(lengths: readonly number[]): CacheSize {
  const capacity = Math.ceil(Math.max(...lengths) / CAPACITY_MULTIPLE) * CAPACITY_MULTIPLE;
  let slots = 1;
  while (slots < lengths.length && 2 * slots * capacity <= MAX_POSITIONS) slots *= 2;
  return { slots, capacity };
}

async function addTokens(params: Params, config: ModelConfig, { cache, slots }: { readonly cache: KvCache; readonly slots: readonly (Growing | undefined)[] }): Promise<void> {
  const taken = [...slots.keys()].filter((slot) => slots[slot] !== undefined);
  const ids = tf.tidy(() => {
    const inputIds = Int32Array.from(slots, (growing) => growing?.answer.ids.at(-1) ?? 0);
    const { hidden_BSD, fresh } = decodeWithCache(params.scope(PARTS.decoder), config.llm_config, {
      embeds_BSD: embedBatch(params, config, { batchSize: slots.length, length: 1, inputIds, featureIndex: new Int32Array(slots.length).fill(-1) }, {}),
      positionIds: Int32Array.from(slots, (growing) => growing?.position ?? 0),
      bias_BSL: cache.bias(),
      past: cache.tensors(),
    });
    cache.append(taken, fresh);
    return likeliestTokens(params, config, hidden_BSD, taken);
  });
  const tokens = await readTokens(ids);
  for (const [i, slot] of taken.entries()) {
    const growing = slots[slot];
    if (growing === undefined) continue;
    growing.answer.ids.push(tokens[i] ?? 0);
    growing.position += 1;
  }
}
