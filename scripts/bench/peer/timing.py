"""The repetitions of measure.ts, in Python."""
import time

import torch


def measure(repetition, patience):
    """Milliseconds of every counted repetition; `repetition` returns its own milliseconds."""
    used = 0.0
    for _ in range(patience["warmups"]):
        if used < patience["budgetMs"]:
            used += repetition()
    times, used = [], 0.0
    while len(times) < patience["least"] or (len(times) < patience["most"] and used < patience["budgetMs"]):
        times.append(repetition())
        used += times[-1]
    return times


def settle():
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def timed(work):
    """A repetition that takes the time of `work`, until the device has done it."""

    def repetition():
        settle()
        started = time.perf_counter()
        work()
        settle()
        return 1000 * (time.perf_counter() - started)

    return repetition
