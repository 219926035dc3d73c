import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, realpath, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SCRIPT = join(import.meta.dirname, "../../../../scripts/bench/pack/run.sh");

interface Machine {
  /** The libraries that are not there. */
  readonly lacks?: string;
  /** Whether the driver works with the pack's libglvnd alone. */
  readonly needsGlvnd?: boolean;
}

/**
 * A pack whose `node` is a shell script: it finds a GPU under the given drivers ("none": without one), tells which libraries are
 * not there, and prints how it was started.
 */
async function packed(drivers: string, { lacks = "", needsGlvnd = false }: Machine = {}): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "m2se-run-")));
  await copyFile(SCRIPT, join(folder, "run.sh"));
  await writeFile(join(folder, "nvidia_icd.json"), "{}");
  await mkdir(join(folder, "glvnd"));
  const found = needsGlvnd ? `case "\${LD_LIBRARY_PATH:-}" in */glvnd*) exit 0;; *) exit 1;; esac` : "exit 0";
  const libraries = `if [ "$1" = --input-type=commonjs ]; then for name in "$@"; do case " ${lacks} " in *" $name "*) echo "$name";; esac; done; exit; fi`;
  const node = `#!/bin/sh\n${libraries}\nif [ "$1" = --input-type=module ]; then case "\${VK_DRIVER_FILES:-none}" in ${drivers}) ${found};; *) exit 1;; esac; fi\necho "driver=\${VK_DRIVER_FILES:-} $*"\n`;
  await writeFile(join(folder, "node"), node, { mode: 0o755 });
  return folder;
}

async function start(folder: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)("sh", [join(folder, "run.sh"), ...args], { env: { PATH: process.env["PATH"] ?? "", ...env } });
}

test("a GPU that is found is used as it is, with the arguments behind the backend", async () => {
  expect(await start(await packed("none"), ["--only", "train-512", "--json"])).toEqual({ stdout: "driver= scripts/bench/main.mjs --backend webgpu --only train-512 --json\n", stderr: "" });
});

test("where no driver is described the pack's own description is tried, and said", async () => {
  const folder = await packed("*/m2se-run-*");
  const description = join(folder, "nvidia_icd.json");

  expect(await start(folder, [])).toEqual({ stdout: `driver=${description} scripts/bench/main.mjs --backend webgpu\n`, stderr: `Vulkan driver: ${description}\n` });
});

test("a driver that was named stays", async () => {
  const { stdout, stderr } = await start(await packed("nothing"), [], { VK_DRIVER_FILES: "/mine.json" });

  expect(stdout).toContain("driver=/mine.json ");
  expect(stderr).toBe("");
});

test("a driver that works with the pack's libglvnd alone is given it", async () => {
  const folder = await packed("*/m2se-run-*", { needsGlvnd: true });
  const description = join(folder, "nvidia_icd.json");

  expect(await start(folder, [])).toEqual({ stdout: `driver=${description} scripts/bench/main.mjs --backend webgpu\n`, stderr: `Vulkan driver: ${description}, with this pack's libglvnd\n` });
});

test.each([
  { lacks: "libGLX_nvidia.so.0 libEGL_nvidia.so.0 libEGL.so.1", says: "No GPU is found through Vulkan. The driver must have its graphics part (libGLX_nvidia.so.0); containers are given it with NVIDIA_DRIVER_CAPABILITIES=all.\n" },
  { lacks: "libX11.so.6 libXext.so.6", says: "No GPU is found through Vulkan. The driver is here, but lacks libX11.so.6 libXext.so.6: libglvnd and X11's libraries, in Debian's packages libegl1 libgl1 libglx0 libopengl0 libx11-6 libxext6.\n" },
  { lacks: "", says: "No GPU is found through Vulkan, though the driver and the libraries that it calls are here: nvidia-smi says whether the GPU is.\n" },
])("without a GPU it says what the driver lacks ($lacks); the benchmark ends it", async ({ lacks, says }) => {
  const { stdout, stderr } = await start(await packed("nothing", { lacks }), []);

  expect(stdout).toBe("driver= scripts/bench/main.mjs --backend webgpu\n");
  expect(stderr).toBe(says);
});

test("a library is told from one that is not there by trying to load it", async () => {
  const { stdout } = await promisify(execFile)("sh", ["-c", `${await functionOf("lacking")}\nlacking libnone.so.7 libc.so.6 libno.so.1`], { cwd: await folderWithNode() });

  expect(stdout).toBe("libnone.so.7 libno.so.1 ");
});

/** Of the script. */
async function functionOf(name: string): Promise<string> {
  const text = await readFile(SCRIPT, "utf8");
  const found = new RegExp(`^${name}\\(\\) \\{[^]*?^\\}`, "m").exec(text)?.[0];
  if (found === undefined) throw new Error(`no function ${name}`);
  return found;
}

async function folderWithNode(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "m2se-run-"));
  await symlink(process.execPath, join(folder, "node"));
  return folder;
}
