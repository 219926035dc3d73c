import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";

const SCRIPT = join(import.meta.dirname, "../../scripts/link-tensorflow.sh");
const WHEEL = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2", "include/tensorflow/c/c_api.h", "include/tensorflow/c/eager/c_api.h", "include/tensorflow/core/platform/ctstring_internal.h"];
const PLAIN = ["lib/libtensorflow.so.2", "lib/libtensorflow_framework.so.2", ...WHEEL.slice(2)];
const PACKAGE = ["package.json", "binding/tfjs_backend.cc", "binding/tfjs_binding.cc"];

/** A folder of empty files. */
async function folderOf(files: readonly string[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const file of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), "");
  }
  return folder;
}

/** A PATH with the tools of the system, and a compiler that writes an addon which is a script for Node. */
async function toolsWith(programs: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder();
  for (const program of ["bash", "uname", "dirname", "mkdir", "mv", "mktemp", "rm", "cat"]) await symlink(await which(program), join(folder, program));
  await symlink(process.execPath, join(folder, "node"));
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, name), 0o755);
  }
  return folder;
}

async function which(program: string): Promise<string> {
  return (await promisify(execFile)("/bin/sh", ["-c", `command -v ${program}`])).stdout.trim();
}

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function link(args: readonly string[], { tools, home = "/nonexistent" }: { tools?: string; home?: string } = {}): Promise<Result> {
  const path = tools ?? (await toolsWith({ "g++": "exit 1" }));
  return new Promise((resolve) => {
    execFile(join(path, "bash"), [SCRIPT, ...args], { env: { PATH: path, HOME: home } }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }));
  });
}

test("without arguments it says what it takes", async () => {
  const { code, err } = await link([]);

  expect(code).toBe(1);
  expect(err).toMatch(/^link-tensorflow: got 0 arguments, expected PATH \[PACKAGE\]\n {2}PATH is the folder tensorflow of a Python TensorFlow, or an unpacked libtensorflow: /);
});

test.each([
  { what: "a folder that is not there", files: undefined, says: "there is no folder " },
  { what: "a folder without a library", files: ["include/x"], says: "holds neither libtensorflow_cc.so.2 nor lib/libtensorflow.so.2\n  Name the folder tensorflow of a Python TensorFlow 2, or an unpacked libtensorflow 2." },
  { what: "a wheel without its framework", files: WHEEL.filter((file) => !file.includes("framework")), says: "/libtensorflow_framework.so.2 is missing beside libtensorflow_cc.so.2\n  The folder is incomplete: install that TensorFlow again." },
  { what: "a libtensorflow without a header", files: PLAIN.filter((file) => !file.includes("eager")), says: "/include/tensorflow/c/eager/c_api.h is missing\n  The folder is incomplete: install that TensorFlow again, with its include folder." },
])("$what is refused", async ({ files, says }) => {
  const { code, err } = await link([files === undefined ? "/nonexistent/tensorflow" : await folderOf(files), await folderOf(PACKAGE)]);

  expect(code).toBe(1);
  expect(err).toContain(says);
});

test("a package that is not there, or no tfjs-node, is refused with the command that brings it", async () => {
  const wheel = await folderOf(WHEEL);

  expect((await link([wheel, "@tensorflow/no-such-package"])).err).toBe("link-tensorflow: the package @tensorflow/no-such-package is not installed\n  Run: npm install --no-save --save-prod @tensorflow/tfjs-node@4.22.0\n");
  expect((await link([wheel, await folderOf(["package.json"])])).err).toMatch(/binding\/tfjs_backend\.cc is missing\n {2}That is no tfjs-node 4: run npm install --no-save --save-prod @tensorflow\/tfjs-node@4\.22\.0\n$/);
});

test("without a compiler, or with one that fails, it says so", async () => {
  const args = [await folderOf(WHEEL), await folderOf(PACKAGE)];

  expect((await link(args, { tools: await toolsWith({}) })).err).toBe("link-tensorflow: there is no compiler g++\n  Install it (Debian: apt-get install g++), or name another in CXX.\n");
  expect((await link(args, { tools: await toolsWith({ "g++": "echo no such type >&2; exit 1" }), home: await headers() })).err).toMatch(/^no such type\nlink-tensorflow: g\+\+ did not build the addon \(its messages are above\)\n/);
});

test.each([
  { kind: "a Python TensorFlow", files: WHEEL, library: "libtensorflow_cc.so.2", lib: "" },
  { kind: "a libtensorflow for C", files: PLAIN, library: "libtensorflow.so.2", lib: "/lib" },
])("the addon is built against $kind where it lies, and tried", async ({ files, library, lib }) => {
  const [tensorflow, folder] = [await folderOf(files), await folderOf(PACKAGE)];
  // The addon is what comes behind -o; here it is none, so that loading it fails, and the compiler's words are told.
  const tools = await toolsWith({ "g++": `echo "$@" > ${folder}/line; while [ "$1" != -o ]; do shift; done; : > "$2"` });

  const { code, err } = await link([tensorflow, folder], { tools, home: await headers() });
  const line = await readFile(join(folder, "line"), "utf8");

  expect(line).toContain(`-std=c++17 -O2 -shared -fPIC -DNAPI_VERSION=8`);
  expect(line).toContain(`-I${folder} -I${tensorflow}/include ${folder}/binding/tfjs_backend.cc ${folder}/binding/tfjs_binding.cc -o ${folder}/lib/napi-v8/tfjs_binding.node.new`);
  expect(line).toContain(`-L${tensorflow}${lib} -l:${library} -l:libtensorflow_framework.so.2 -Wl,-rpath,${tensorflow}${lib}`);
  expect(code).toBe(1);
  expect(err).toContain(`link-tensorflow: the addon is built, but does not load (Node's message is above)\n  Most often a library that TensorFlow needs is missing; ldd ${tensorflow}${lib}/${library} names it.\n`);
});

/** A home folder with Node's headers where node-gyp puts them: the last place that is looked at. */
async function headers(): Promise<string> {
  return folderOf([`.cache/node-gyp/${process.versions.node}/include/node/node_api.h`]);
}
