"""What of joblib the trainer uses."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

class Delayed(Generic[R]): ...

def delayed(function: Callable[P, R]) -> Callable[P, Delayed[R]]: ...
def dump(value: Any, filename: str | Path | BinaryIO, compress: int = 0) -> list[str] | None: ...

class Parallel:
    def __init__(
        self,
        n_jobs: int | None = None,
        *,
        batch_size: int | str = "auto",
        max_nbytes: int | str | None = "1M",
        return_as: str = "list",
    ) -> None: ...
    def __call__(self, iterable: Iterable[Delayed[R]]) -> Iterator[R]: ...
