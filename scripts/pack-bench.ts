/**
 * @file `tsx scripts/pack-bench.ts OUT.tar.xz [--vulkan PATH]` packs the benchmark for a bare x86-64 Linux machine with an
 * NVIDIA card: no Node, no network. There: `tar -xf OUT.tar.xz && m2se-bench/run.sh`. Exit codes: 0 done, 1 it cannot be
 * packed, 2 wrong command line.
 */
import { execFile } from "node:child_process";
import { chmod, copyFile, cp, mkdir, mkdtemp, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { Command } from "commander";
import { UserError } from "../src/core/errors.ts";
import { BENCH_FOLDER, bundleBench } from "./bench/pack/bundle.ts";
import { findGlvnd } from "./bench/pack/glvnd.ts";
import { findLoader, LOADER } from "./bench/pack/vulkan-loader.ts";

const ROOT = join(import.meta.dirname, "..");
/** The one folder in the archive. */
const NAME = "m2se-bench";
/** What can be sent to most machines in one piece. */
const LARGEST = 60 * 2 ** 20;
const DAWN = "node_modules/webgpu";
const DAWN_LIBRARY = `${DAWN}/dist/linux-x64`;

/** Read by the benchmark where they are in the repository: its Python, and what train-tiny trains. */
const READ = [`${BENCH_FOLDER}/peer`, "configs", "data/fixture", "data/tiny-emoverse", "src/data/action-units.json", "src/data/converters/known.json"];

/** NVIDIA's driver for a Vulkan loader, and for a libglvnd, that is told of none. */
const DRIVER = { file_format_version: "1.0.0", ICD: { library_path: "libGLX_nvidia.so.0", api_version: "1.3.0" } };
const EGL_DRIVER = { file_format_version: "1.0.0", ICD: { library_path: "libEGL_nvidia.so.0" } };

const execute = promisify(execFile);

async function pack(out: string, vulkan: string | undefined): Promise<number> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new UserError({ kind: "SystemError", where: "this machine", what: `it is ${process.platform} ${process.arch}, and its Node goes into the pack; expected linux x64`, hint: "Pack on an x86-64 Linux machine." });
  }
  const loader = await findLoader({ named: vulkan, fetched: join(ROOT, ".cache/software-gpu") });
  const glvnd = await findGlvnd({ fetched: join(ROOT, ".cache/glvnd") });
  if (glvnd === undefined) console.error("libglvnd is not on this machine and apt-get does not have it: the pack needs one where it runs. Install libegl1 libgl1 libglx0 libopengl0 here and pack again, or there.");
  const work = await mkdtemp(join(tmpdir(), "m2se-pack-"));
  try {
    const folder = join(work, NAME);
    await fill(folder, { loader, glvnd });
    await checkStart(folder);
    return await compress(work, resolve(out));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface Libraries {
  readonly loader: string;
  readonly glvnd: readonly string[] | undefined;
}

async function fill(folder: string, { loader, glvnd = [] }: Libraries): Promise<void> {
  await mkdir(join(folder, DAWN_LIBRARY), { recursive: true });
  await copyStripped(await realpath(process.execPath), join(folder, "node"));
  for (const file of ["package.json", "index.js", "LICENSE.md"]) await copyFile(join(ROOT, DAWN, file), join(folder, DAWN, file));
  await copyStripped(join(ROOT, DAWN_LIBRARY, "dawn.node"), join(folder, DAWN_LIBRARY, "dawn.node"));
  await copyFile(loader, join(folder, DAWN_LIBRARY, LOADER));
  for (const path of READ) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await cp(join(ROOT, path), join(folder, path), { recursive: true, filter: (source) => !source.includes("__pycache__") });
  }
  await bundleBench(ROOT, join(folder, BENCH_FOLDER));
  await writeFile(join(folder, "nvidia_icd.json"), JSON.stringify(DRIVER));
  if (glvnd.length > 0) await mkdir(join(folder, "glvnd"));
  for (const file of glvnd) await copyFile(file, join(folder, "glvnd", basename(file)));
  if (glvnd.length > 0) await writeFile(join(folder, "glvnd/10_nvidia.json"), JSON.stringify(EGL_DRIVER));
  await copyFile(join(ROOT, BENCH_FOLDER, "pack/run.sh"), join(folder, "run.sh"));
  await chmod(join(folder, "run.sh"), 0o755);
}

/** Without symbols where there is a `strip`, which saves a fifth. */
async function copyStripped(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o755);
  await execute("strip", ["--strip-unneeded", to]).catch(() => undefined);
}

/** A Node that needs libraries of this machine, or a bundle that lacks a file, is found here and not there. */
async function checkStart(folder: string): Promise<void> {
  try {
    await execute(join(folder, "run.sh"), ["--help"], { env: { PATH: "/usr/bin:/bin" } });
    const { stdout } = await execute("ldd", [join(folder, "node")]);
    if (stdout.includes("libnode")) throw new Error(`it is linked against libnode, which other machines do not have`);
  } catch (error) {
    throw new UserError(
      { kind: "SystemError", where: process.execPath, what: `what was packed does not start: ${error instanceof Error ? error.message.trim() : String(error)}`, hint: "Use a Node from nodejs.org." },
      { cause: error },
    );
  }
}

/** Bytes of the archive, which appears whole or not at all. */
async function compress(work: string, out: string): Promise<number> {
  const part = `${out}.part`;
  try {
    await execute("tar", ["--owner=0", "--group=0", "-cJf", part, "-C", work, NAME], { env: { ...process.env, XZ_OPT: "-9" } });
    const { size } = await stat(part);
    if (size > LARGEST) throw new UserError({ kind: "SystemError", where: out, what: `the archive has ${megabytes(size)} MiB, expected at most ${megabytes(LARGEST)}`, hint: "Node 20 is the smallest that works, and strip (binutils) makes it a fifth smaller." });
    await rename(part, out);
    return size;
  } finally {
    await rm(part, { force: true });
  }
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

const program = new Command("pack-bench").argument("<out>", "the archive, e.g. bench.tar.xz").option("--vulkan <path>", `${LOADER}, or the folder that holds it`);
program.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2)).parse();
const { vulkan } = program.opts<{ vulkan?: string }>();
const out = program.args[0] ?? "";
try {
  console.log(`${out}: ${megabytes(await pack(out, vulkan))} MiB`);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
