/** @file Run as a program with a stage folder: saves step 1, then dies by SIGKILL in the middle of saving step 2. */
import { saveCheckpoint } from "../../src/train/checkpoint.ts";
import { state } from "./checkpoint-state.ts";

const [stageDir = ""] = process.argv.slice(2);
const whole = { name: "a", shape: [2], data: Float32Array.of(1, 2) };
const deadly = {
  name: "b",
  shape: [1],
  data: () => {
    process.kill(process.pid, "SIGKILL");
    return new Promise<never>(() => undefined);
  },
};

await saveCheckpoint(stageDir, { weights: [whole], optimizer: new Map(), state: state({ step: 1 }) });
await saveCheckpoint(stageDir, { weights: [whole, deadly], optimizer: new Map(), state: state({ step: 2 }) });
