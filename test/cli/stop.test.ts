import { expect, test } from "vitest";
import { stopRequests } from "../../src/cli/stop.ts";

function setUp(): { clock: { ms: number }; quits: number[]; said: string[]; stop: ReturnType<typeof stopRequests> } {
  const clock = { ms: 0 };
  const quits: number[] = [];
  const said: string[] = [];
  return { clock, quits, said, stop: stopRequests({ now: () => clock.ms, quit: (code) => quits.push(code), say: (text) => said.push(text) }) };
}

test("the first request aborts and says so, the second quits at once", () => {
  const { clock, quits, said, stop } = setUp();

  stop.request("SIGTERM");
  expect({ aborted: stop.signal.aborted, name: stop.signalName, quits }).toEqual({ aborted: true, name: "SIGTERM", quits: [] });
  expect(said).toEqual(["SIGTERM: finishing this step and saving; once more to quit at once and lose it"]);

  clock.ms = 1500;
  stop.request("SIGINT");
  expect(quits).toEqual([130]);
});

test("one key press that arrives twice, from the terminal and from npx, stays one request", () => {
  const { clock, quits, stop } = setUp();

  stop.request("SIGINT");
  clock.ms = 20;
  stop.request("SIGINT");

  expect(quits).toEqual([]);
});

test("nothing is stopped before somebody asks", () => {
  const { stop } = setUp();

  expect({ aborted: stop.signal.aborted, name: stop.signalName }).toEqual({ aborted: false, name: undefined });
});
