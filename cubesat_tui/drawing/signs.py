"""One table of signs, used everywhere: shape, word and style of every state. Colour never stands alone."""

from __future__ import annotations

from types import MappingProxyType

import msgspec


class Sign(msgspec.Struct, frozen=True):
    """How one state looks. `style` names a style of `cubesat_tui.themes`."""

    key: str
    glyph: str
    ascii: str
    word: str
    style: str
    meaning: str


_TABLE = (
    Sign("ok", " ", " ", "OK", "plain", "in limits"),
    Sign("watch", "△", "w", "WTCH", "watch", "watch limit passed"),
    Sign("warning", "▲", "W", "WARN", "warning", "soft limit passed"),
    Sign("distress", "◇", "D", "DIST", "distress", "between soft and hard limit"),
    Sign("critical", "◆", "C", "CRIT", "critical", "hard limit passed"),
    Sign("severe", "■", "S", "SEVR", "severe", "danger to the mission"),
    Sign("anomaly", "◈", "A", "ANOM", "anomaly", "a model's opinion, never above a hard limit"),
    Sign("expired", "○", "~", "OLD", "dim", "old value: its age stands in place of the gauge"),
    Sign("invalid", "×", "x", "INV", "dim", "sent, but not a valid value"),
    Sign("never", "·", ".", "-", "dim", "never received"),
    Sign("forecast", "┄", ":", "fc", "forecast", "forecast"),
)
SIGNS = MappingProxyType({sign.key: sign for sign in _TABLE})

LEVEL_KEYS = ("ok", "watch", "warning", "distress", "critical", "severe")
"""Sign key by `telemetry.limits.Level`, from IN_LIMITS up."""

ORDER = ("severe", "critical", "distress", "warning", "anomaly", "watch")
"""Worst first; a model's opinion stands right below a soft limit."""


def level_key(level: int) -> str:
    """Sign key of a limit level; DISABLED looks like in limits."""
    return LEVEL_KEYS[max(0, level)]


class SignSet(msgspec.Struct, frozen=True):
    """The characters a terminal can show: `ascii` where East-Asian width or the font cannot be trusted."""

    ascii: bool = False
    blocks: bool = False
    """Dots are drawn as half blocks: a font without braille has them."""

    def glyph(self, key: str) -> str:
        """The one-cell sign of a state."""
        sign = SIGNS[key]
        return sign.ascii if self.ascii else sign.glyph

    @property
    def sparks(self) -> str:
        """Eight rising levels."""
        return "_.,-=+*#" if self.ascii else "▁▂▃▄▅▆▇█"

    @property
    def band(self) -> str:
        """An edge of what is usual; in ASCII a dash, since a plot's dots take the colon of a forecast."""
        return "-" if self.ascii else "┄"

    @property
    def rule(self) -> str:
        return "-" if self.ascii else "─"

    @property
    def frame(self) -> str:
        """Top left, top right, bottom left, bottom right, horizontal, vertical."""
        return "++++-|" if self.ascii else "┌┐└┘─│"

    @property
    def pointer(self) -> str:
        """The mark of the selected row."""
        return ">"

    @property
    def above(self) -> str:
        """Beside what lies beyond the upper edge."""
        return "^" if self.ascii else "↑"

    @property
    def below(self) -> str:
        """Beside what lies beyond the lower edge."""
        return "_" if self.ascii else "↓"

    @property
    def bar(self) -> str:
        """A filled cell of a share bar."""
        return "#" if self.ascii else "█"


UNICODE = SignSet()
ASCII = SignSet(ascii=True)

_UNITS = MappingProxyType(
    {
        "degC": "°C",
        "degF": "°F",
        "deg": "°",
        "deg/s": "°/s",
        "uT": "µT",
        "uA": "µA",
        "uV": "µV",
        "us": "µs",
        "ohm": "Ω",
    }
)


def unit(ascii_unit: str, signs: SignSet = UNICODE) -> str:
    """A unit as shown; never converted."""
    return ascii_unit if signs.ascii else _UNITS.get(ascii_unit, ascii_unit)
