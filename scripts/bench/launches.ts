/**
 * @file `npm run bench:launches -- [STEPS]`: what a step of the demo's second stage costs the host on webgpu, kernels not included:
 * on Dawn's null device, which takes every command and computes nothing. No GPU and no driver is needed. A small model on a real
 * card waits for just that.
 */
import { selectBackend } from "../../src/backend/select.ts";
import { scheduleStage } from "../../src/curriculum/schedule.ts";
import { prepareTiny, tinyStage } from "./cases/tiny-step.ts";
import { sameStepAgain } from "./cases/train-steps.ts";
import { median } from "./measure.ts";

/** Steps until Node has compiled what it runs most. */
const WARMUPS = 100;
const [steps = 200] = process.argv.slice(2).map(Number);

process.env["DAWNNODE_BACKEND"] = "null";
await selectBackend("webgpu:Null");
zeroWhatIsRead();
const dispatches = countDispatches();

const { experiment, stage, input, batchSpec } = await tinyStage();
const step = prepareTiny(experiment, stage, { schedule: sameStepAgain(scheduleStage(input), WARMUPS + steps), batchSpec });
const times: number[] = [];
let before = process.cpuUsage();
for (let i = 0; i < WARMUPS + steps; i++) {
  if (i === WARMUPS) {
    before = process.cpuUsage();
    dispatches.count = 0;
  }
  times.push(await step());
}
const { user, system } = process.cpuUsage(before);
const counted = times.slice(WARMUPS);
console.log(`${Math.round(dispatches.count / steps)} dispatches a step; median ${median(counted).toFixed(1)} ms, least ${Math.min(...counted).toFixed(1)} ms, processor time ${((user + system) / 1000 / steps).toFixed(1)} ms (${steps} steps after ${WARMUPS})`);
process.exit();

/** The null device gives whatever lay in memory, which a training step would refuse. */
function zeroWhatIsRead(): void {
  const read = Reflect.get(GPUBuffer.prototype, "getMappedRange");
  GPUBuffer.prototype.getMappedRange = function (...range: Parameters<typeof read>) {
    const bytes = read.apply(this, range);
    new Uint8Array(bytes).fill(0);
    return bytes;
  };
}

function countDispatches(): { count: number } {
  const dispatches = { count: 0 };
  const run = Reflect.get(GPUComputePassEncoder.prototype, "dispatchWorkgroups");
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...groups: Parameters<typeof run>) {
    dispatches.count += 1;
    run.apply(this, groups);
    return undefined;
  };
  return dispatches;
}
