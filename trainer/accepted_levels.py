"""Thresholds that bear what an operator accepted: no lower than any accepted row reached, in the fitted model."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from trainer.artifact import pack
from trainer.batch import judge_window

if TYPE_CHECKING:
    from trainer.model import Fitted
    from trainer.window import Window

BEYOND = 1.25
"""The same again is never quite the same: thresholds lie this much further out than what was accepted."""


def bearing(fitted: Fitted, window: Window) -> Fitted:
    """The fit with thresholds of a fusion raised where accepted rows would be flagged."""
    scorer = fitted.scorer
    packets = dict(scorer.packets)
    for rows in window.packets:
        model = packets.get(rows.packet)
        if model is None or model.fusion is None or not rows.vouched.any():
            continue
        opinions = judge_window(scorer, window, rows)
        if opinions is None:
            continue
        names = [channel.name for channel in rows.channels]
        columns = [names.index(name) for name in model.channels]
        barred = np.stack([rows.unusable(i) for i in range(len(names))], axis=1)
        reached = np.where(rows.vouched & ~barred & np.isfinite(opinions.relative), opinions.relative, 0.0)
        raised = reached.max(axis=0)[columns]
        factor = np.where(raised > 0, np.maximum(1.0, raised * BEYOND), 1.0)
        fusion = model.fusion
        threshold = fusion.usual + (fusion.threshold - fusion.usual) * factor
        place = model.middle + (fusion.place_threshold - model.middle) * factor
        packets[rows.packet] = replace(model, fusion=replace(fusion, threshold=threshold, place_threshold=place))
    if all(packets[name] is scorer.packets[name] for name in packets):
        return fitted
    packed = pack(scorer.forest, packets)
    digest = hashlib.sha256(packed).hexdigest()
    manifest = msgspec.structs.replace(scorer.manifest, sha256=digest, bytes=len(packed))
    return replace(fitted, scorer=replace(scorer, manifest=manifest, packets=packets), packed=packed)
