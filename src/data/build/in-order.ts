/** @file Asynchronous work on a stream: several at a time, results in the stream's order, never more held than are at work. */

/** Maps `items`, keeping up to `ahead` of them in progress. What `work` throws ends the stream. */
export async function* mapInOrder<T, R>(items: AsyncIterable<T>, ahead: number, work: (item: T) => Promise<R>): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  for await (const item of items) {
    const result = work(item);
    result.catch(() => undefined); // it is thrown when its turn comes; until then it is no unhandled rejection
    running.push(result);
    if (running.length >= ahead) yield await shift(running);
  }
  while (running.length > 0) yield await shift(running);
}

async function shift<R>(running: Promise<R>[]): Promise<R> {
  const [first] = running.splice(0, 1);
  if (first === undefined) throw new RangeError("nothing is running");
  return first;
}

/** A gate that lets `limit` tasks run at a time. */
export function limiter(limit: number): <R>(task: () => Promise<R>) => Promise<R> {
  let free = limit;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next(); // the place is handed on
    }
  };
}
