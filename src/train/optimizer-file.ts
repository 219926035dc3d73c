/** @file The state of AdamW as a safetensors file: two moments and a step count under each parameter's name. */
import { UserError } from "../core/errors.ts";
import { openSafetensors } from "../model/checkpoints/safetensors.ts";
import { writeSafetensors } from "../model/checkpoints/write-safetensors.ts";
import type { AdamWState } from "./adamw.ts";

const FIRST = "first_moment.";
const SECOND = "second_moment.";
const STEP = "step.";

/** Writes every parameter's moments; the state must not change until the write is done. */
export async function writeOptimizer(path: string, state: AdamWState): Promise<void> {
  await writeSafetensors(
    path,
    [...state].flatMap(([name, { step, first, second }]) => [
      { name: FIRST + name, shape: [first.length], data: first },
      { name: SECOND + name, shape: [second.length], data: second },
      { name: STEP + name, shape: [], data: Int32Array.of(step) },
    ]),
  );
}

/** The state as it was written. @throws UserError - CheckpointError when a part of a parameter's state is missing. */
export async function readOptimizer(path: string): Promise<AdamWState> {
  const file = await openSafetensors(path);
  try {
    const state: AdamWState = new Map();
    for (const key of file.names.filter((each) => each.startsWith(STEP))) {
      const name = key.slice(STEP.length);
      if (!file.has(FIRST + name) || !file.has(SECOND + name)) throw new UserError({ kind: "CheckpointError", where: path, what: `the moments of "${name}" are missing` });
      const [step = 0] = await file.read(key);
      state.set(name, { step: Number(step), first: await file.readFloats(FIRST + name), second: await file.readFloats(SECOND + name) });
    }
    return state;
  } finally {
    await file.close();
  }
}
