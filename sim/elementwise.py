"""The few functions that are not operators, for floats and for arrays: one model runs on both.

A model step is written once against `Ops`. With `FLOATS` it flies one satellite on Python numbers, several times
faster than arrays of length one; with `ARRAYS` the same lines fly a fleet, or many seconds of one satellite.
Conditions are combined with `&`, `|` and `where`, never with `and`, `or` and `if`.
"""

from __future__ import annotations

import math
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Num = TypeVar("Num", float, Floats)


class Ops(Protocol[Num]):
    """Element-wise functions on floats or on arrays of one shape; a plain number may stand for any operand."""

    def where(self, condition: Any, yes: Num | float, no: Num | float, /) -> Num: ...
    def minimum(self, a: Num | float, b: Num | float, /) -> Num: ...
    def maximum(self, a: Num | float, b: Num | float, /) -> Num: ...
    def sqrt(self, x: Num, /) -> Num: ...
    def exp(self, x: Num, /) -> Num: ...
    def log(self, x: Num, /) -> Num: ...
    def sin(self, x: Num, /) -> Num: ...
    def cos(self, x: Num, /) -> Num: ...
    def arccos(self, x: Num, /) -> Num: ...
    def floor(self, x: Num, /) -> Num: ...
    def any(self, condition: Any, /) -> bool:
        """Whether the condition holds anywhere, to leave out what nobody needs; select with `where` still."""
        ...


class FloatOps:
    """`Ops` on Python floats."""

    sqrt = staticmethod(math.sqrt)
    exp = staticmethod(math.exp)
    log = staticmethod(math.log)
    sin = staticmethod(math.sin)
    cos = staticmethod(math.cos)
    arccos = staticmethod(math.acos)

    any = staticmethod(bool)

    @staticmethod
    def floor(x: float) -> float:
        return float(math.floor(x))

    @staticmethod
    def where(condition: Any, yes: float, no: float) -> float:
        return yes if condition else no

    @staticmethod
    def minimum(a: float, b: float) -> float:
        return a if a < b else b

    @staticmethod
    def maximum(a: float, b: float) -> float:
        return a if a > b else b


class ArrayOps:
    """`Ops` on float64 arrays."""

    where = staticmethod(np.where)
    minimum = staticmethod(np.minimum)
    maximum = staticmethod(np.maximum)
    sqrt = staticmethod(np.sqrt)
    exp = staticmethod(np.exp)
    log = staticmethod(np.log)
    sin = staticmethod(np.sin)
    cos = staticmethod(np.cos)
    arccos = staticmethod(np.arccos)
    floor = staticmethod(np.floor)

    @staticmethod
    def any(condition: Any) -> bool:
        return bool(np.count_nonzero(condition))


FLOATS: Final[Any] = FloatOps()
ARRAYS: Final[Any] = ArrayOps()
