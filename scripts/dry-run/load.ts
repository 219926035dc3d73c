/** @file Loads a model folder as training does, alone in its process: prints seconds and parameters as JSON. `tsx scripts/dry-run/load.ts FOLDER [int8|float16]` */
import { FROZEN_BASES } from "../../src/backend/names.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { loadWeights, readModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { packsOf } from "../../src/model/frozen-base.ts";
import { ParamStore } from "../../src/model/params.ts";

await selectBackend("onnxruntime");
const started = performance.now();
const [folder = "", frozenBase] = process.argv.slice(2);
const store = new ParamStore(packsOf(FROZEN_BASES.find((known) => known === frozenBase) ?? "float32"));
await loadWeights(await readModelFolder(folder), store);
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, parameters: store.count() }));
