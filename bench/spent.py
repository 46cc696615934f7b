"""What one call takes: by the clock, and of the CPU."""

from __future__ import annotations

import time
from collections.abc import Callable


def ms(work: Callable[[], object]) -> float:
    """Milliseconds by the clock."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun
