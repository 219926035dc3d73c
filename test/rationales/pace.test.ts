import { expect, test } from "vitest";
import { createPace, systemClock } from "../../src/rationales/pace.ts";
import { fakeClock } from "./stub-server.ts";

const never = new AbortController().signal;

test("turns are spaced so that a minute sees no more than was said", async () => {
  const { clock } = fakeClock();
  const pace = createPace({ perMinute: 30, clock, signal: never });
  const at: number[] = [];

  for (let i = 0; i < 4; i++) {
    await pace.turn();
    at.push(clock.now());
  }

  expect(at).toEqual([0, 2000, 4000, 6000]);
});

test("without a limit nobody waits, and a pause holds everybody, also who had a turn already", async () => {
  const { clock, slept } = fakeClock();
  const free = createPace({ perMinute: undefined, clock, signal: never });

  await free.turn();
  await free.turn();
  expect(slept).toEqual([]);

  free.hold(7000);
  await free.turn();
  expect(clock.now()).toBe(7000);

  const pace = createPace({ perMinute: 60, clock: { ...clock, sleep: async (ms, signal) => (pace.hold(clock.now() < 8000 ? 5000 : 0), clock.sleep(ms, signal)) }, signal: never });
  await pace.turn();
  await pace.turn();
  expect(clock.now()).toBe(12_000);
});

test("the system's clock waits, and not on when the signal fires", async () => {
  const stop = new AbortController();
  const before = systemClock.now();

  await systemClock.sleep(15, stop.signal);
  expect(systemClock.now() - before).toBeGreaterThan(13);

  setTimeout(() => stop.abort(), 5);
  await systemClock.sleep(60_000, stop.signal);
  expect(systemClock.now() - before).toBeLessThan(10_000);
});
