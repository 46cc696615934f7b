"""A window's rows judged as the station would have judged them: for the gate and for evaluation. numpy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from telemetry.frame import Column, Layout
from trainer.bank import Opinions, PacketBank
from trainer.streams import Cut, Streams

if TYPE_CHECKING:
    from trainer.served import Scorer
    from trainer.window import PacketRows, Window


def judge_window(scorer: Scorer, window: Window, packet: PacketRows) -> Opinions | None:
    """Opinions of `scorer` on n rows, at least one, oldest first; None where it does not know the packet.

    The columns are `packet.channels`. Values may have been changed: the context is that of the window.
    """
    layout = Layout(packet.packet, tuple(Column(channel.name) for channel in packet.channels))
    codes = window.track.codes(packet.t_ns)
    streams = Streams(layout, {channel.name: channel for channel in packet.channels}, 1, codes.shape[1])
    bank = PacketBank(layout, window.track.channels, 1)
    bank.put(0, scorer)
    cut = Cut.of(np.zeros(len(packet), dtype=np.intp))
    fed = streams.push(cut, packet.t_ns, packet.boot, packet.values, codes)
    return bank.judge(streams, cut, fed, packet.t_ns, codes)
