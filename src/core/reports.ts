/** @file What a task reports through a callback, as a stream. */

/**
 * Runs a task and yields what it reports until it ends; the value is its result, the error its own. When the reader
 * leaves earlier, the task is told by its signal and waited for.
 */
export async function* streamReports<R, T>(task: (report: (value: R) => void, isLeft: AbortSignal) => Promise<T>): AsyncGenerator<R, T> {
  const left = new AbortController();
  const reports: R[] = [];
  let wake = (): void => undefined;
  const state = { isOver: false };
  const result = task((value) => {
    reports.push(value);
    wake();
  }, left.signal).finally(() => {
    state.isOver = true;
    wake();
  });
  result.catch(() => undefined); // awaited below; an error that comes earlier is not unhandled
  try {
    for (;;) {
      const next = reports.shift();
      if (next !== undefined) yield next;
      else if (state.isOver) return await result;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    left.abort();
    await Promise.allSettled([result]);
  }
}

/** The value of a stream whose reports nobody reads. */
export async function resultOf<T>(stream: AsyncGenerator<unknown, T>): Promise<T> {
  for (;;) {
    const { done, value } = await stream.next();
    if (done === true) return value;
  }
}
