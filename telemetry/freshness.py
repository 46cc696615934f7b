"""Acquisition status: whether a value was received, is valid and is still fresh. Says nothing about limits."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from telemetry.dictionary import Channel
from telemetry.frame import Float64s

EXPIRY_MARGIN_S = 1.0


class Acquisition(enum.Enum):
    """Freshness of one channel (names as in Yamcs and XTCE)."""

    ACQUIRED = "ACQUIRED"
    NOT_RECEIVED = "NOT_RECEIVED"
    INVALID = "INVALID"
    EXPIRED = "EXPIRED"


def is_invalid(channel: Channel, value: float) -> bool:
    """Whether a sent value cannot be one: not finite, outside `valid`, a sentinel, or an unknown code."""
    if not math.isfinite(value):
        return True
    if channel.valid is not None and not channel.valid[0] <= value <= channel.valid[1]:
        return True
    if value in channel.sentinels:
        return True
    return bool(channel.enum) and value not in channel.labels


def invalid_mask(channels: Sequence[Channel], values: Float64s) -> npt.NDArray[np.bool_]:
    """`is_invalid` of a whole batch; for many of one layout see `Validity`.

    Args:
        channels: the k columns' definitions.
        values: shape (n, k), as sent.

    Returns:
        Shape (n, k), True where the value is INVALID.

    Raises:
        ValueError: the number of columns differs.
    """
    return Validity(channels).mask(values)


class Validity:
    """`invalid_mask` for many batches of the same k channels: what it needs of them, in arrays."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._low = np.array([-np.inf if one.valid is None else one.valid[0] for one in channels])
        self._high = np.array([np.inf if one.valid is None else one.valid[1] for one in channels])
        self._sentinels = [(i, value) for i, one in enumerate(channels) for value in one.sentinels]
        self._codes = [(i, np.array(list(one.labels))) for i, one in enumerate(channels) if one.enum]

    def mask(self, values: Float64s) -> npt.NDArray[np.bool_]:
        """True where a value is INVALID, shape (n, k) as `values`.

        Raises:
            ValueError: the number of columns differs.
        """
        k = len(self._low)
        if values.ndim != 2 or values.shape[1] != k:
            raise ValueError(f"{k} channels do not fit values of shape {values.shape}")
        invalid = ~np.isfinite(values)
        invalid |= (values < self._low) | (values > self._high)
        for i, value in self._sentinels:
            invalid[:, i] |= values[:, i] == value
        for i, codes in self._codes:
            invalid[:, i] |= (values[:, i, None] != codes).all(axis=1)
        return invalid


def expires_after_s(channel: Channel, rate: float = 1.0) -> float:
    """Seconds since reception after which a value is EXPIRED; `rate` as in `acquisition`."""
    return channel.expiry_periods * channel.period_s / rate + EXPIRY_MARGIN_S


def acquisition(
    channel: Channel, value: float | None, age_s: float | None, rate: float = 1.0, in_contact: bool = True
) -> Acquisition:
    """Status of the newest value of a channel.

    Args:
        channel: its definition.
        value: as sent; None when none was ever received.
        age_s: seconds since reception on a monotonic clock; None as above.
        rate: generation seconds per wall second of the source; `inf` is allowed.
        in_contact: False outside a pass. A channel that is sent in a pass only is then not EXPIRED once it falls
            silent but NOT_RECEIVED: nobody sends it, so nothing is late.
    """
    if value is None or age_s is None:
        return Acquisition.NOT_RECEIVED
    if age_s > expires_after_s(channel, rate):
        return Acquisition.NOT_RECEIVED if channel.contact_only and not in_contact else Acquisition.EXPIRED
    return Acquisition.INVALID if is_invalid(channel, value) else Acquisition.ACQUIRED
