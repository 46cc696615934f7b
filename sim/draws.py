"""Random numbers by name and index, in any order and any chunks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.elementwise import Floats


def drawn(seed: int, name: str, index: npt.NDArray[np.int64]) -> Floats:
    """Uniform numbers in [0, 1) that depend on seed, name and index only (SplitMix64, Steele et al. 2014)."""
    key = np.uint64(seed % 2**64)
    for letter in name.encode():
        key = np.uint64((int(key) * 1_099_511_628_211 + letter) % 2**64)
    z = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
