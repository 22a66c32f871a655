"""How long a thing takes: the median of some rounds."""

import statistics
import time


def median(rounds: int, run) -> float:
    """Seconds of `run(seed)`, for seeds from 0."""
    times = []
    for seed in range(rounds):
        start = time.perf_counter()
        run(seed)
        times.append(time.perf_counter() - start)
    return statistics.median(times)
