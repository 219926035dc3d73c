import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findMediaTools, resolveMediaTools } from "../../src/media/tools.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { userErrorOf } from "./fixtures.ts";

test("the media programs of this machine work and are looked for once", async () => {
  const tools = await resolveMediaTools();

  expect(tools.ffmpeg).toMatch(/ffmpeg/);
  expect(tools.source).not.toBe("");
  expect(resolveMediaTools()).toBe(resolveMediaTools());
});

test("a program named in the environment goes before PATH, PATH before the npm packages", async () => {
  const folder = await temporaryFolder();
  const [ffmpeg, ffprobe, chosen] = [await fake(folder, "ffmpeg"), await fake(folder, "ffprobe"), await fake(folder, "mine")];

  expect(await findMediaTools({ PATH: folder })).toEqual({ ffmpeg, ffprobe, source: "PATH" });
  expect(await findMediaTools({ PATH: folder, M2SE_FFMPEG: chosen })).toEqual({ ffmpeg: chosen, ffprobe, source: "ffmpeg: M2SE_FFMPEG, ffprobe: PATH" });
});

test("a program on PATH that does not run is passed over", async () => {
  const folder = await temporaryFolder();
  const broken = await fake(folder, "ffmpeg", "exit 1");
  const ffprobe = await fake(folder, "ffprobe");

  const found = await findMediaTools({ PATH: folder }).catch((error: unknown) => String(error));

  if (typeof found === "string") expect(found).toMatch(/no working ffmpeg found \(.*Command failed/);
  else expect([found.ffmpeg === broken, found.ffprobe]).toEqual([false, ffprobe]);
});

test("a program named in the environment that does not work is an error that names the variable", async () => {
  const folder = await temporaryFolder();
  const other = await fake(folder, "other", "echo hello");

  expect(await userErrorOf(findMediaTools({ M2SE_FFPROBE: "/nonexistent/ffprobe" }))).toMatch(
    /^SystemError M2SE_FFPROBE: got \/nonexistent\/ffprobe, expected a program that runs \(spawn .* ENOENT\)\.\n {2}Unset M2SE_FFPROBE to use the ffprobe on PATH/,
  );
  expect(await userErrorOf(findMediaTools({ M2SE_FFMPEG: other }))).toMatch(/expected a program that runs \(it does not answer to -version as ffmpeg does\)/);
});

async function fake(folder: string, name: string, script = "echo ffmpeg version 9.9; echo"): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}
