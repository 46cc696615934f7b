"""Counter-based noise: the sample of a channel at a second is the same however the data are cut into chunks.

Philox keyed by seed and name, the counter advanced to the sample's index, Box-Muller on the raw words. NumPy's
`standard_normal` would not do: its ziggurat takes a varying number of words per sample.
"""

from __future__ import annotations

import zlib
from typing import cast

import numpy as np

from sim.orbit import Floats

BLOCK: int = 1024
"""Seconds per block; every vectorised calculation runs on whole blocks aligned to UTC, so that its rounding does
not depend on where a chunk begins."""

_SCALE = 2.0**-53


def normal(seed: int, name: str, block: int) -> Floats:
    """BLOCK standard normal samples of stream (seed, name): those of UTC seconds block * BLOCK and on."""
    philox = np.random.Philox(key=[seed % 2**64, zlib.crc32(name.encode())], counter=[0, block, 0, 0])
    words = philox.random_raw(2 * BLOCK)
    first = ((words[0::2] >> np.uint64(11)).astype(np.float64) + 1.0) * _SCALE
    second = (words[1::2] >> np.uint64(11)).astype(np.float64) * _SCALE
    samples: Floats = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    return samples


def coloured(seed: int, name: str, block: int, kernel: Floats, before: int = 0) -> Floats:
    """Unit-variance moving average of `normal` with weights `kernel` (newest first, shorter than BLOCK).

    BLOCK samples, preceded by the `before` last ones of the block before.
    """
    white = np.concatenate((normal(seed, name, block - 1), normal(seed, name, block)))
    full = cast(Floats, np.convolve(white, kernel / np.sqrt(np.sum(kernel * kernel))))
    return full[BLOCK - before : 2 * BLOCK]


def exponential_kernel(time_constant_s: float, length: int) -> Floats:
    """Weights of a first-order lag."""
    return np.exp(-np.arange(length, dtype=np.float64) / time_constant_s)


def swing_kernel(time_constant_s: float, length: int) -> Floats:
    """Weights of two equal lags in a row: smooth enough to be differentiated."""
    k = np.arange(length, dtype=np.float64)
    return (k + 1.0) * np.exp(-k / time_constant_s)
