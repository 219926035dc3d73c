/** @file The state of AdamW as a safetensors file: two moments and a step count under each parameter's name. */
import { readFloats } from "../backend/host-memory.ts";
import { UserError } from "../core/errors.ts";
import { openSafetensors } from "../model/checkpoints/safetensors.ts";
import { writeSafetensors } from "../model/checkpoints/write-safetensors.ts";
import { type AdamWState, disposeMoments, moment } from "./adamw.ts";

const FIRST = "first_moment.";
const SECOND = "second_moment.";
const STEP = "step.";

/** Writes every parameter's moments; the state must not change until the write is done. */
export async function writeOptimizer(path: string, state: AdamWState): Promise<void> {
  await writeSafetensors(
    path,
    [...state].flatMap(([name, { step, first, second }]) => [
      { name: FIRST + name, shape: [first.size], data: () => readFloats(first) },
      { name: SECOND + name, shape: [second.size], data: () => readFloats(second) },
      { name: STEP + name, shape: [], data: Int32Array.of(step) },
    ]),
  );
}

/** The state as it was written, the caller's. @throws UserError - CheckpointError when a part of a parameter's state is missing. */
export async function readOptimizer(path: string): Promise<AdamWState> {
  const file = await openSafetensors(path);
  const state: AdamWState = new Map();
  try {
    for (const key of file.names.filter((each) => each.startsWith(STEP))) {
      const name = key.slice(STEP.length);
      if (!file.has(FIRST + name) || !file.has(SECOND + name)) throw new UserError({ kind: "CheckpointError", where: path, what: `the moments of "${name}" are missing` });
      const [step = 0] = await file.read(key);
      const [first, second] = [await file.readFloats(FIRST + name), await file.readFloats(SECOND + name)];
      state.set(name, { step: Number(step), first: moment(first), second: moment(second) });
    }
    return state;
  } catch (error) {
    disposeMoments(state);
    throw error;
  } finally {
    await file.close();
  }
}
