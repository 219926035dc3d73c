/** @file libglvnd: the libraries through which NVIDIA's driver, its Vulkan part too, is called. Containers often lack them. */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { SYSTEM_FOLDERS } from "./vulkan-loader.ts";

export const GLVND = ["libGLdispatch.so.0", "libEGL.so.1", "libGL.so.1", "libGLX.so.0", "libOpenGL.so.0"] as const;

/** Debian's and Ubuntu's. */
const PACKAGES = ["libglvnd0", "libegl1", "libgl1", "libglx0", "libopengl0"];

const execute = promisify(execFile);

interface Places {
  /** Where they are kept once fetched. */
  readonly fetched: string;
  readonly system?: readonly string[];
  /** Puts the named files into a folder, or throws. */
  readonly fetch?: (folder: string) => Promise<void>;
}

/** The files, all from one folder: the system's, else those fetched now or earlier; undefined where there are none. */
export async function findGlvnd({ fetched, system = SYSTEM_FOLDERS, fetch = fetchGlvnd }: Places): Promise<readonly string[] | undefined> {
  for (const folder of [...system, fetched]) if (await hasAll(folder)) return filesIn(folder);
  await fetch(fetched).catch(() => undefined);
  return (await hasAll(fetched)) ? filesIn(fetched) : undefined;
}

function filesIn(folder: string): string[] {
  return GLVND.map((name) => join(folder, name));
}

async function hasAll(folder: string): Promise<boolean> {
  const found = await Promise.all(filesIn(folder).map((file) => stat(file).then((each) => each.isFile(), () => false)));
  return found.every(Boolean);
}

/** Out of the system's packages, which are not installed. */
async function fetchGlvnd(folder: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), "m2se-glvnd-"));
  try {
    await execute("apt-get", ["download", ...PACKAGES], { cwd: work });
    for (const name of await readdir(work)) await execute("dpkg-deb", ["-x", name, "tree"], { cwd: work });
    await mkdir(folder, { recursive: true });
    const files = await readdir(join(work, "tree"), { recursive: true });
    for (const name of GLVND) {
      const path = files.find((file) => file.endsWith(`/${name}`));
      if (path === undefined) throw new Error(`no package holds ${name}`);
      await copyFile(join(work, "tree", path), join(folder, `${name}.new`));
      await rename(join(folder, `${name}.new`), join(folder, name));
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
