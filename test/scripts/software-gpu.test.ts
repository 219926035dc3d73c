import { execFile } from "node:child_process";
import { chmod, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { softwareGpuEnvironment } from "../../scripts/software-gpu.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const SCRIPT = join(import.meta.dirname, "../../scripts/software-gpu.sh");
const FILES = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"];

/** apt-get that "downloads" into the working folder, and dpkg-deb that unpacks what the real packages hold. */
const APT = `case "$*" in download*) for package in chromium-common libvulkan1; do : > "\${package}_1_amd64.deb"; done ;; esac`;
const DPKG = `mkdir -p "$3/usr/lib"; case "$2" in *chromium*) echo so > "$3/usr/lib/libvk_swiftshader.so"; echo json > "$3/usr/lib/vk_swiftshader_icd.json" ;; *) echo loader > "$3/usr/lib/libvulkan.so.1.3"; ln -sf libvulkan.so.1.3 "$3/usr/lib/libvulkan.so.1" ;; esac`;

test("the three files come out of two packages, and the shell is told where they are", async () => {
  const dir = join(await temporaryFolder(), "a folder");

  const { code, out } = await run([dir], { "apt-get": APT, "dpkg-deb": DPKG });

  expect(code).toBe(0);
  expect((await readdir(dir)).sort()).toEqual(FILES);
  const shown = await promisify(execFile)("/bin/bash", ["-c", `unset LD_LIBRARY_PATH; ${out} echo "$VK_DRIVER_FILES|$LD_LIBRARY_PATH"; LD_LIBRARY_PATH=/other; ${out} echo "$LD_LIBRARY_PATH"`]);
  expect(shown.stdout).toBe(`${dir}/vk_swiftshader_icd.json|${dir}\n${dir}:/other\n`);
});

test("what is there is not fetched again, and needs no tools", async () => {
  const dir = await temporaryFolder();
  for (const file of FILES) await writeFile(join(dir, file), "x");

  const { code, out, err } = await run([dir], {});

  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toContain(`export VK_DRIVER_FILES=${dir}/vk_swiftshader_icd.json\n`);
});

test("without the system's lists of packages it makes its own", async () => {
  const dir = await temporaryFolder();
  const apt = `case "$*" in download*) exit 100 ;; *update) : > updated ;; *download*) [ -e updated ] && for package in chromium-common libvulkan1; do : > "\${package}_1_amd64.deb"; done ;; esac`;

  const { code } = await run([dir], { "apt-get": apt, "dpkg-deb": DPKG });

  expect(code).toBe(0);
  expect((await readdir(dir)).sort()).toEqual(FILES);
});

test.each([
  { what: "two folders", args: ["a", "b"], tools: {}, says: "got 2 arguments, expected [DIR]\n  DIR is the folder that the driver goes to." },
  { what: "another system", args: [], tools: { uname: "echo Darwin" }, says: "this system is Darwin, expected Linux\n  The tests that need a GPU are left out without it." },
  { what: "a system without apt", args: [], tools: {}, says: "there is no apt-get: the driver comes out of Debian's packages\n  Put libvk_swiftshader.so vk_swiftshader_icd.json libvulkan.so.1 into " },
  { what: "packages that cannot be had", args: [], tools: { "apt-get": "echo no network >&2; exit 100", "dpkg-deb": DPKG }, says: "no network\nsoftware-gpu: apt-get did not download chromium-common libvulkan1 (its messages are above)\n  See to the package sources and the network; Ubuntu has no chromium-common." },
  { what: "packages that lack a file", args: [], tools: { "apt-get": APT, "dpkg-deb": "mkdir -p $3" }, says: "neither chromium-common nor libvulkan1 holds libvk_swiftshader.so\n  The packages have changed: dpkg-deb --contents says where the file is now." },
])("$what: refused with what to do", async ({ args, tools, says }) => {
  const dir = await temporaryFolder();

  const { code, out, err } = await run(args.length > 0 ? args : [dir], tools);

  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toContain(says);
  expect(await readdir(dir)).toEqual([]);
});

test("a process finds the driver by its environment, unless that names another", async () => {
  const folder = await temporaryFolder();
  expect(softwareGpuEnvironment({}, folder)).toEqual({});
  await writeFile(join(folder, "vk_swiftshader_icd.json"), "{}");

  const description = join(folder, "vk_swiftshader_icd.json");
  expect(softwareGpuEnvironment({}, folder)).toEqual({ VK_DRIVER_FILES: description, LD_LIBRARY_PATH: folder });
  expect(softwareGpuEnvironment({ LD_LIBRARY_PATH: "/other" }, folder)).toEqual({ VK_DRIVER_FILES: description, LD_LIBRARY_PATH: `${folder}:/other` });
  for (const name of ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]) expect(softwareGpuEnvironment({ [name]: "/nvidia.json" }, folder)).toEqual({});
});

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The script with the system's small tools and those given as shell scripts, and no others. */
async function run(args: readonly string[], programs: Readonly<Record<string, string>>): Promise<Result> {
  const path = await temporaryFolder();
  for (const program of ["bash", "cp", "dirname", "find", "ln", "mkdir", "mktemp", "mv", "rm", "uname"]) {
    if (programs[program] === undefined) await symlink((await promisify(execFile)("/bin/sh", ["-c", `command -v ${program}`])).stdout.trim(), join(path, program));
  }
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(path, name), `#!${join(path, "bash")}\n${script}\n`);
    await chmod(join(path, name), 0o755);
  }
  await mkdir(join(path, "tmp"));
  return new Promise((resolve) => {
    execFile(join(path, "bash"), [SCRIPT, ...args], { env: { PATH: path, TMPDIR: join(path, "tmp") } }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }));
  });
}
