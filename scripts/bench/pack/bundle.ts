/** @file The benchmark as two plain JavaScript files: its command line and its child process. */
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { build as bundle, type Plugin } from "esbuild";

/** Of the bundles, in the repository and in the pack; the pack has the same folders. */
export const BENCH_FOLDER = "scripts/bench";

/** What is taken from node_modules where it is there, and fails with its name where it is not. */
const EXTERNAL = ["webgpu", "koffi", "onnxruntime-node", "@tensorflow/tfjs-node", "@tensorflow/tfjs-node-gpu"];

/** CommonJS packages in an ESM bundle call `require`. */
const BANNER = `import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);`;

/** Writes main.mjs and child.mjs into `outFolder`, to be run by this version of Node or a newer one. */
export async function bundleBench(root: string, outFolder: string): Promise<void> {
  await bundle({
    absWorkingDir: root,
    entryPoints: [`${BENCH_FOLDER}/main.ts`, `${BENCH_FOLDER}/child.ts`],
    outdir: outFolder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    // tfjs-core's ESM files: one copy, which the gradients register with.
    mainFields: ["module", "main"],
    external: EXTERNAL,
    // tfjs finds kernels by the names of classes.
    keepNames: true,
    logLevel: "warning",
    banner: { js: BANNER },
    plugins: [sameFolders(root), bundledGradients(root), absent("sharp")],
  });
}

/** Files beside a source file are found where the pack has them. */
function sameFolders(root: string): Plugin {
  return {
    name: "same folders",
    setup: (build) => {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const file = relative(join(root, BENCH_FOLDER), path);
        const replaced = (await readFile(path, "utf8")).replace(/import\.meta\.(url|dirname)/g, (_, property: string) =>
          property === "url" ? `new URL(${JSON.stringify(file)}, import.meta.url).href` : `(import.meta.dirname + ${JSON.stringify(`/${join(file, "..")}`)})`,
        );
        return { contents: replaced, loader: "ts" };
      });
    },
  };
}

/** src/backend/gradients.ts has tsx load a file that Node cannot; a bundler can. */
function bundledGradients(root: string): Plugin {
  const contents = `import "@tensorflow/tfjs-core/dist/register_all_gradients.js"; export const require = () => {};`;
  return virtual("gradients", /^tsx\/cjs\/api$/, { contents, resolveDir: root });
}

/** A native package that no case of the benchmark calls. */
function absent(name: string): Plugin {
  return virtual(`absent ${name}`, new RegExp(`^${name}$`), { contents: `export default () => { throw new Error(${JSON.stringify(`${name} is not part of the pack`)}); };` });
}

function virtual(name: string, filter: RegExp, module: { readonly contents: string; readonly resolveDir?: string }): Plugin {
  return {
    name,
    setup: (build) => {
      build.onResolve({ filter }, () => ({ path: name, namespace: name }));
      build.onLoad({ filter: /.*/, namespace: name }, () => ({ ...module }));
    },
  };
}
