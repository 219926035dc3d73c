import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { runFfmpeg } from "../../src/media/ffmpeg.ts";
import { runProgram } from "../../src/media/run-program.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { mediaChildren, userErrorOf } from "./fixtures.ts";

vi.setConfig({ testTimeout: 60_000 }); // a system ffmpeg takes 0.1 s to start, and machines are shared

const ENDLESS = ["-v", "error", "-f", "lavfi", "-i", "testsrc=s=320x240", "-f", "rawvideo", "pipe:1"];

afterEach(() => {
  expect(mediaChildren() ?? []).toEqual([]);
});

test("two inputs on pipes 0 and 3 and two outputs on pipes 1 and 4 run in one process", async () => {
  const first: Buffer[] = [];
  const second: Buffer[] = [];
  const big = Buffer.alloc(3 << 20, 7); // more than any pipe's buffer

  await runFfmpeg({
    subject: "pipes",
    args: [..."-v error -thread_queue_size 512 -f u8 -ar 8000 -ac 1 -i pipe:0 -thread_queue_size 512 -f u8 -ar 8000 -ac 1 -i pipe:3 -map 0 -f u8 pipe:1 -map 1 -f u8 pipe:4".split(" ")],
    pipes: {
      0: { kind: "input", source: big },
      3: { kind: "input", source: [Buffer.alloc(1000, 9), Buffer.alloc(500, 9)] },
      1: { kind: "output", maxBytes: big.length, write: (chunk) => first.push(chunk) },
      4: { kind: "output", maxBytes: 1500, write: (chunk) => second.push(chunk) },
    },
    timeoutMs: 30_000,
  });

  expect(Buffer.concat(first).equals(big)).toBe(true);
  expect(Buffer.concat(second).equals(Buffer.alloc(1500, 9))).toBe(true);
});

test("more output than allowed ends the program", async () => {
  const run = runFfmpeg({ subject: "endless.mp4", args: ENDLESS, pipes: { 1: { kind: "output", maxBytes: 1 << 20, write: () => undefined } }, timeoutMs: 30_000 });

  expect(await userErrorOf(run)).toBe("MediaError endless.mp4: it decodes to more than the 1048576 bytes that were expected.");
});

test("cancelling an endless run stops the program", async () => {
  const controller = new AbortController();
  let received = 0;
  const run = runFfmpeg({
    subject: "endless",
    args: ENDLESS,
    pipes: {
      1: {
        kind: "output",
        maxBytes: Infinity,
        write: (chunk) => {
          received += chunk.length;
          if (received > 1e6) controller.abort(new Error("enough"));
        },
      },
    },
    timeoutMs: 30_000,
    signal: controller.signal,
  });

  await expect(run).rejects.toThrow("enough");
  expect(received).toBeGreaterThan(1e6);
});

test("what a receiver or a source throws ends the run", async () => {
  const fails = (): never => {
    throw new Error("receiver broke");
  };
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(100);
    await Promise.resolve();
    throw new Error("source broke");
  }

  await expect(runFfmpeg({ subject: "x", args: ENDLESS, pipes: { 1: { kind: "output", maxBytes: Infinity, write: fails } }, timeoutMs: 30_000 })).rejects.toThrow("receiver broke");
  const reading = ["-v", "error", "-f", "u8", "-ar", "8000", "-ac", "1", "-i", "pipe:0", "-f", "null", "-"];
  await expect(runFfmpeg({ subject: "x", args: reading, pipes: { 0: { kind: "input", source: source() } }, timeoutMs: 30_000 })).rejects.toThrow("source broke");
});

test("a program that stops reading early may still succeed", async () => {
  const received: Buffer[] = [];

  await runProgram("head", "/usr/bin/head", {
    subject: "x",
    args: ["-c", "3"],
    pipes: { 0: { kind: "input", source: Buffer.alloc(4 << 20, "a") }, 1: { kind: "output", maxBytes: 3, write: (chunk) => received.push(chunk) } },
    timeoutMs: 30_000,
  });

  expect(Buffer.concat(received).toString()).toBe("aaa");
});

test("a time limit kills a program that does not react to anything", async () => {
  const script = await executable("trap '' TERM INT HUP; exec sleep 60");

  expect(await userErrorOf(runProgram("ffmpeg", script, { subject: "stuck.mp4", args: [], pipes: {}, timeoutMs: 100 }))).toBe(
    "MediaError stuck.mp4: ffmpeg did not finish within 0.1 s and was stopped.",
  );
});

test("a crash, an unknown failure and a program that cannot start have their messages", async () => {
  const run = { subject: "clip.mp4", args: [], pipes: {}, timeoutMs: 30_000 };

  expect(await userErrorOf(runProgram("ffmpeg", await executable("kill -SEGV $$"), run))).toBe("MediaError clip.mp4: ffmpeg crashed on it (SIGSEGV).");
  expect(await userErrorOf(runProgram("ffmpeg", await executable("echo '[h264 @ 0x55d0] strange picture' >&2; exit 3"), run))).toBe("MediaError clip.mp4: strange picture.");
  expect(await userErrorOf(runProgram("ffmpeg", await executable("exit 3"), run))).toBe("MediaError clip.mp4: no reason given.");
  expect(await userErrorOf(runProgram("ffmpeg", "/nonexistent/ffmpeg", run))).toMatch(
    /^SystemError \/nonexistent\/ffmpeg: ffmpeg could not be started \(spawn .* ENOENT\)\.\n {2}Check that \/nonexistent\/ffmpeg can be run and that the machine has memory and processes left\.$/,
  );
});

async function executable(script: string): Promise<string> {
  const path = join(await temporaryFolder(), "program.sh");
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}
