/** @file Closes the test run with the line that continuous integration reads: `N passed, N failed`. */
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export default class ClosingLine implements Reporter {
  /** The line comes when the process exits, so that nothing follows it. */
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const { passed, failed } = countResults(modules, unhandled.length);
    process.on("exit", () => {
      process.stdout.write(`${passed} passed, ${failed} failed\n`);
    });
  }
}

/** Tests by outcome; a file that cannot be read, a failing hook and a stray error count as one failure each. */
export function countResults(modules: readonly TestModule[], unhandled: number): { passed: number; failed: number } {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const passed = tests.filter((test) => test.result().state === "passed").length;
  const failed = tests.filter((test) => test.result().state === "failed").length;
  const broken = modules.filter((module) => module.state() === "failed" && ![...module.children.allTests("failed")].length).length;
  return { passed, failed: failed + broken + unhandled };
}
