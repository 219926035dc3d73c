/**
 * @file Which ffmpeg and ffprobe are run: those named by M2SE_FFMPEG / M2SE_FFPROBE, else those on PATH, else the
 * binaries inside the optional npm packages. The binaries decide speed, never numbers (frames are byte-identical).
 */
import { execFile } from "node:child_process";
import { constants, statSync } from "node:fs";
import { access, chmod, copyFile, lstat, mkdir, rename, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir, userInfo } from "node:os";
import { basename, delimiter, isAbsolute, join } from "node:path";
import { UserError } from "../core/errors.ts";

export interface MediaTools {
  /** Absolute paths, both checked by running them once. */
  readonly ffmpeg: string;
  readonly ffprobe: string;
  /** Where they come from, for people: "PATH", "npm", or one word per program where they differ. */
  readonly source: string;
}

export type ToolName = "ffmpeg" | "ffprobe";
export interface Candidate {
  readonly path: string;
  readonly source: string;
}
export type Environment = Readonly<Record<string, string | undefined>>;

const NPM_PACKAGES = { ffmpeg: "@ffmpeg-installer/ffmpeg", ffprobe: "@ffprobe-installer/ffprobe" } as const satisfies Record<ToolName, string>;
const VERSION_TIMEOUT_MS = 20_000;

let resolved: Promise<MediaTools> | undefined;

/**
 * The media programs of this process, looked for once.
 *
 * @throws UserError (SystemError) that says how to install them when none works.
 */
export function resolveMediaTools(): Promise<MediaTools> {
  resolved ??= findMediaTools(process.env);
  return resolved;
}

/** As `resolveMediaTools`, not remembered, with the environment as an argument. */
export async function findMediaTools(environment: Environment): Promise<MediaTools> {
  const [ffmpeg, ffprobe] = await Promise.all([findTool("ffmpeg", environment), findTool("ffprobe", environment)]);
  const source = ffmpeg.source === ffprobe.source ? ffmpeg.source : `ffmpeg: ${ffmpeg.source}, ffprobe: ${ffprobe.source}`;
  return { ffmpeg: ffmpeg.path, ffprobe: ffprobe.path, source };
}

/**
 * One program, checked by running it once.
 *
 * @throws UserError (SystemError) that says how to install it when none works.
 */
export async function findTool(name: ToolName, environment: Environment): Promise<Candidate> {
  const variable = `M2SE_${name.toUpperCase()}`;
  const chosen = environment[variable];
  if (chosen !== undefined && chosen !== "") {
    const failure = await whyNotRunnable(chosen);
    if (failure === undefined) return { path: chosen, source: variable };
    throw new UserError({
      kind: "SystemError",
      where: variable,
      what: `got ${chosen}, expected a program that runs (${failure})`,
      hint: `Unset ${variable} to use the ${name} on PATH or the one inside the npm package.`,
    });
  }
  const failures: string[] = [];
  for (const { path, source } of [...candidatesOnPath(name, environment), ...(await candidatesFromNpm(name))]) {
    const failure = await whyNotRunnable(path);
    if (failure === undefined) return { path, source };
    failures.push(`${path}: ${failure}`);
  }
  throw new UserError({
    kind: "SystemError",
    where: name,
    what: `no working ${name} found${failures.length === 0 ? "" : ` (${failures.join("; ")})`}`,
    hint: `Install it (Debian: apt-get install ffmpeg; npm: npm install ${NPM_PACKAGES[name]}) or name it in ${variable}.`,
  });
}

/** Undefined when `path -version` works, else the reason. */
async function whyNotRunnable(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(path, ["-version"], { timeout: VERSION_TIMEOUT_MS, killSignal: "SIGKILL", maxBuffer: 1 << 20, windowsHide: true }, (error, stdout) => {
      if (error !== null) resolve(error.message.split("\n")[0] ?? "it does not run");
      else resolve(/^ff(mpeg|probe) version /.test(stdout) ? undefined : "it does not answer to -version as ffmpeg does");
    });
  });
}

function candidatesOnPath(name: ToolName, environment: Environment): Candidate[] {
  const file = process.platform === "win32" ? `${name}.exe` : name;
  const folders = (environment["PATH"] ?? environment["Path"] ?? "").split(delimiter).filter(isAbsolute);
  return folders
    .map((folder) => ({ path: join(folder, file), source: "PATH" }))
    .filter(({ path }) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false);
}

async function candidatesFromNpm(name: ToolName): Promise<Candidate[]> {
  const path = npmBinaryPath(name);
  return path === undefined ? [] : [{ path: await makeExecutable(path), source: "npm" }];
}

/** The packages are optional, and their entry points throw on platforms they have no binary for. */
function npmBinaryPath(name: ToolName): string | undefined {
  try {
    const installed: unknown = createRequire(import.meta.url)(NPM_PACKAGES[name]);
    const path = typeof installed === "object" && installed !== null && "path" in installed ? installed.path : undefined;
    return typeof path === "string" ? path : undefined;
  } catch {
    return undefined;
  }
}

/** ffprobe's package ships the file without the executable bit and sets it in an install script, which may be off. */
async function makeExecutable(path: string): Promise<string> {
  if (await isExecutable(path)) return path;
  try {
    await chmod(path, 0o755);
    return path;
  } catch {
    return copyToOwnFolder(path).catch(() => path); // the caller reports why this path does not run
  }
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** A copy in a folder that nobody else can write to: a program that others could replace must not be run. */
async function copyToOwnFolder(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  const { uid } = userInfo();
  const folder = join(tmpdir(), `m2se-tools-${uid}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const owner = await lstat(folder);
  if (!owner.isDirectory() || owner.uid !== uid || (owner.mode & 0o022) !== 0) throw new Error(`${folder} is not ours`);
  const copy = join(folder, `${basename(path)}-${size}-${Math.trunc(mtimeMs)}`);
  if (await isExecutable(copy)) return copy;
  const temporary = `${copy}.${process.pid}.tmp`;
  await copyFile(path, temporary);
  await chmod(temporary, 0o700);
  await rename(temporary, copy);
  return copy;
}
