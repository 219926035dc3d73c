import { expect, test } from "vitest";
import { resultOf, streamReports } from "../../src/core/reports.ts";

const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

test("reports come in order, also those that were made while nobody asked; the value is the task's", async () => {
  const stream = streamReports<number, string>(async (report) => {
    report(1);
    report(2);
    await later();
    report(3);
    return "done";
  });
  const reports: number[] = [];

  for (let next = await stream.next(); ; next = await stream.next()) {
    if (next.done === true) {
      expect(next.value).toBe("done");
      break;
    }
    reports.push(next.value);
    await later();
    await later();
  }

  expect(reports).toEqual([1, 2, 3]);
});

test("the task's error is the stream's, behind what was reported before it", async () => {
  const stream = streamReports<number, never>(async (report) => {
    report(1);
    await Promise.resolve();
    throw new Error("no more");
  });

  await later(); // the error is there before anybody asks
  expect(await stream.next()).toEqual({ done: false, value: 1 });
  await expect(stream.next()).rejects.toThrow("no more");
});

test("a reader that leaves stops the task and waits for its end", async () => {
  let end = "";
  const stream = streamReports<string, never>(async (report, isLeft) => {
    report("begun");
    while (!isLeft.aborted) await later();
    end = "told to stop";
    throw new Error("stopped");
  });

  for await (const report of stream) {
    expect(report).toBe("begun");
    break;
  }

  expect(end).toBe("told to stop");
});

test("the result of a stream that nobody reads", async () => {
  const stream = streamReports<number, string>((report) => {
    report(1);
    return Promise.resolve("whole");
  });

  expect(await resultOf(stream)).toBe("whole");
});
