import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { limiter, mapInOrder } from "../../../src/data/build/in-order.ts";

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield await Promise.resolve(i);
}

test("results come in the stream's order, with a bounded number in work", async () => {
  let [running, most] = [0, 0];
  const results: number[] = [];
  for await (const result of mapInOrder(numbers(30), 4, async (i) => {
    most = Math.max(most, (running += 1));
    await sleep((i * 7) % 5);
    running -= 1;
    return i * i;
  })) results.push(result);

  expect(results).toEqual(Array.from({ length: 30 }, (_, i) => i * i));
  expect(most).toBe(4);
});

test("an error comes out at its turn", async () => {
  const results: number[] = [];
  const run = async (): Promise<void> => {
    for await (const result of mapInOrder(numbers(5), 3, (i) => (i === 2 ? Promise.reject(new Error("two")) : Promise.resolve(i)))) results.push(result);
  };

  await expect(run()).rejects.toThrow("two");
  expect(results).toEqual([0, 1]);
});

test("the gate lets so many through and hands its places on", async () => {
  const gate = limiter(2);
  let [running, most] = [0, 0];
  const work = async (): Promise<void> => {
    most = Math.max(most, (running += 1));
    await sleep(1);
    running -= 1;
  };

  await Promise.all(Array.from({ length: 9 }, () => gate(work)));
  await expect(gate(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await gate(work);

  expect(most).toBe(2);
});
