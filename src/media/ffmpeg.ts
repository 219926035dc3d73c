/**
 * @file The one module that runs ffmpeg and ffprobe.
 *
 * fluent-ffmpeg builds the command lines; it does not run them. Running is our own spawn because fluent-ffmpeg 2.1.3
 * (archived, last release) throws an uncatchable TypeError when the program cannot be started (processor.js, stdoutRing
 * of undefined), reports the end of a stream before the failure of the process, ignores kill() before 'start', leaves
 * ffmpeg running when its consumer goes away, has no time limit for ffprobe, and allows one output stream per process,
 * while a clip's frames and sound are to come from a single decode.
 */
import fluent from "fluent-ffmpeg";
import type { FfmpegCommand } from "fluent-ffmpeg";
import { runProgram } from "./run-program.ts";
import type { ProgramRun } from "./run-program.ts";
import { resolveMediaTools } from "./tools.ts";

/** An empty command to be filled and turned into arguments by `argumentsOf`. */
export function ffmpegCommand(): FfmpegCommand {
  return fluent();
}

/** The command as a list of arguments; nothing is started. */
export function argumentsOf(command: FfmpegCommand): string[] {
  return command._getArguments();
}

/**
 * Runs ffmpeg; the result is what it wrote to its error output (warnings).
 *
 * Pipes are named by file descriptor: with `pipes: { 0: picture, 3: sound, 1: result }` and the arguments
 * `-i pipe:0 -i pipe:3 ... pipe:1`, two inputs are fed and one output is read at the same time. With several inputs put
 * `-thread_queue_size 512` before each: ffmpeg sleeps 10 ms whenever its queue of 8 packets is empty. mp4 to a pipe needs
 * `-movflags frag_keyframe+empty_moov`; an mp4 with its index in front is written to a file path instead.
 *
 * @throws as `runProgram`, and a UserError (SystemError) when no ffmpeg is found.
 */
export async function runFfmpeg(run: ProgramRun): Promise<string> {
  return runProgram("ffmpeg", (await resolveMediaTools()).ffmpeg, run);
}

/** As `runFfmpeg`, for ffprobe. */
export async function runFfprobe(run: ProgramRun): Promise<string> {
  return runProgram("ffprobe", (await resolveMediaTools()).ffprobe, run);
}
