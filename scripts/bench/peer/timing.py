"""The repetitions of measure.ts, in Python."""
import time


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


def timed(work):
    """A repetition that takes the time of `work`."""

    def repetition():
        started = time.perf_counter()
        work()
        return 1000 * (time.perf_counter() - started)

    return repetition
