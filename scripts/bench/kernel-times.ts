/**
 * @file `npm run bench:kernels -- [TOKENS] [--backend webgpu:NAME] [--precision half]`: where the time of a LoRA step's loss and
 * gradients goes on a GPU: in all, until the host had queued everything, and by kernel, the kernels timed one by one.
 */
import { dispose, time } from "@tensorflow/tfjs-core";
import { Command, Option } from "commander";
import { type Precision, PRECISIONS } from "../../src/backend/names.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { type Column, renderTable } from "../../src/cli/render/table.ts";
import { type LossAndGradients, lossAndGradients } from "../../src/train/micro-batch.ts";
import { computed } from "./backend.ts";
import { adaptedDecoder, loraBatch, loraStep } from "./cases/lora-step.ts";
import { INTERNVL2_1B } from "./cases/internvl2-1b.ts";

const ROUNDS = 6;
const COLUMNS: readonly Column[] = [{ title: "kernel" }, { title: "runs", align: "right" }, { title: "ms", align: "right" }];

const program = new Command("bench:kernels")
  .argument("[tokens]", "length of the row", Number, 2048)
  .option("--backend <name>", "webgpu, or webgpu:NAME", "webgpu")
  .addOption(new Option("--precision <name>", "of large products").choices(PRECISIONS).default("single"))
  .parse();
const [tokens] = program.processedArgs as [number];
const { backend, precision } = program.opts<{ backend: string; precision: Precision }>();

console.log((await selectBackend(backend, precision)).device);
const { params, learningRates } = adaptedDecoder();
params.setTrainable(learningRates.keys());
const batch = loraBatch(tokens);
const { flops } = loraStep(tokens);

function run(): LossAndGradients {
  return lossAndGradients(params, INTERNVL2_1B, { batch, media: {} }, [...learningRates.keys()]);
}

/** The last gradient comes last. */
async function finish({ losses, gradients }: LossAndGradients): Promise<void> {
  const all = [...gradients.values()];
  await computed(all.at(-1) ?? losses);
  dispose([losses, ...all]);
}

for (let round = 1; round <= ROUNDS; round++) {
  const started = performance.now();
  const result = run();
  const queued = performance.now() - started;
  await finish(result);
  const all = performance.now() - started;
  console.log(`round ${round}: ${all.toFixed(1)} ms, queued in ${queued.toFixed(1)} ms, ${(flops / all / 1e9).toPrecision(3)} TFLOP/s`);
}

let timed: LossAndGradients | undefined;
const profile: { readonly getExtraProfileInfo?: () => string } = await time(() => {
  timed = run();
});
if (timed !== undefined) await finish(timed);
console.log(renderTable(COLUMNS, byKernel(profile.getExtraProfileInfo?.() ?? "")));
process.exit();

/** tfjs tells kernel times as one text: `name: ms, name: ms`. */
function byKernel(text: string): string[][] {
  const sums = new Map<string, { runs: number; ms: number }>();
  for (const [, name = "", ms = "0"] of text.matchAll(/([^,]+): ([\d.e-]+)/g)) {
    const before = sums.get(name.trim()) ?? { runs: 0, ms: 0 };
    sums.set(name.trim(), { runs: before.runs + 1, ms: before.ms + Number(ms) });
  }
  return [...sums].sort(([, a], [, b]) => b.ms - a.ms).map(([name, { runs, ms }]) => [name, String(runs), ms.toFixed(2)]);
}
