/** @file Loads a model folder as training does, alone in its process: prints seconds and parameters as JSON. `tsx scripts/dry-run/load.ts FOLDER` */
import { selectBackend } from "../../src/backend/select.ts";
import { loadWeights, readModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { ParamStore } from "../../src/model/params.ts";

await selectBackend("onnxruntime");
const started = performance.now();
const store = new ParamStore();
await loadWeights(await readModelFolder(process.argv[2] ?? ""), store);
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, parameters: store.count() }));
