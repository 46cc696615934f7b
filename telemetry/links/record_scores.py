"""A model's opinions as the text of a record: columns, with the frames they are about known by (boot, seq)."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from telemetry.frame import Float64s
from telemetry.links.link_keys import MOST_ROWS
from telemetry.links.record import Record, RecordRefused, counted, decoded
from telemetry.links.record_columns import Integers, Values, integers, integers_of, values, values_of
from telemetry.links.record_frames import satellite_of, satellites_of
from telemetry.store.rows import Float32s, ScoreBatch, ScoreColumns


class _ScoresText(msgspec.Struct, omit_defaults=True):
    n: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)]
    satellites: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_ROWS)]
    boot: Integers
    seq: Integers
    model: Integers
    state: Integers
    score: Values
    p: Values
    axes: Annotated[list[Values], msgspec.Meta(min_length=3, max_length=3)]
    satellite: Integers | None = None
    """Which of `satellites`; None for rows of one."""


_SCORES = msgspec.json.Decoder(_ScoresText | None)


def scores_text(scores: ScoreBatch, *, readable: bool = False) -> str:
    """Scores as one text; `readable` for people, with plain decimals."""
    if not len(scores):
        return "null"
    used, satellite = np.unique(scores.satellite, return_inverse=True)
    columns = scores.columns
    figures = np.column_stack([columns.score, columns.p, _shortest(columns.axes)])
    score, p, *axes = values(figures, readable=readable)
    return msgspec.json.encode(
        _ScoresText(
            n=len(scores),
            satellites=[scores.satellites[number] for number in used.tolist()],
            boot=integers(scores.boot),
            seq=integers(scores.seq),
            model=integers(columns.model),
            state=integers(columns.state),
            score=score,
            p=p,
            axes=axes,
            satellite=integers(satellite.astype(np.int64)) if len(used) > 1 else None,
        )
    ).decode()


def scores_of(record: Record) -> ScoreBatch:
    """The scores of a record.

    Raises:
        RecordRefused: the text is none of scores.
    """
    one = decoded(record, _SCORES.decode)
    counted(record, 0 if one is None else one.n)
    if one is None:
        return ScoreBatch.empty()
    try:
        state = integers_of(one.state, one.n)
        if bool(((state < 0) | (state > 2)).any()):
            raise ValueError("state: allowed: 0 to 2")
        figures = values_of([one.score, one.p], one.n)
        if bool(np.isnan(figures).any()):
            raise ValueError("score, p: allowed: numbers")
        with np.errstate(over="ignore"):
            axes = values_of(one.axes, one.n).astype(np.float32)
        model = integers_of(one.model, one.n)
        return ScoreBatch(
            satellites_of(one.satellites),
            satellite_of(one.satellite, one.n, len(one.satellites)),
            integers_of(one.boot, one.n),
            integers_of(one.seq, one.n),
            ScoreColumns(model, figures[:, 0].copy(), figures[:, 1].copy(), state, axes),
        )
    except ValueError as error:
        raise RecordRefused("wrong shape", str(error)) from error


def _shortest(axes: Float32s) -> Float64s:
    """Doubles that become the same float32 again, with as few digits as that takes."""
    short = axes.astype(np.str_).astype(np.float64)
    return np.where(short.astype(np.float32).view(np.int32) == axes.view(np.int32), short, axes.astype(np.float64))
