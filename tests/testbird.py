"""TESTBIRD: the smallest mission, one satellite that measures one voltage."""

from __future__ import annotations

TOML = """
schema = 1
[[satellite]]
name = "TESTBIRD"
bus = "b"
[[bus.b.channel]]
name = "eps.bat_v"
label = "Battery voltage"
unit = "V"
decimals = 2
[[bus.b.channel.limits]]
warning = [7.0, 8.4]
[source]
kind = "stream"
"""
