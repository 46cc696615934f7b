"""Three themes, and the styles that signs and rows speak of.

Nominal values are neutral: colour is for trouble, and red only for CRITICAL and SEVERE.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rich.style import Style
from textual.theme import Theme

STYLES = MappingProxyType(
    {
        "plain": "foreground",
        "value": "bold value",
        "label": "label",
        "dim": "dim",
        "title": "bold accent",
        "rule": "line",
        "spark": "spark",
        "key": "bold key",
        "watch": "watch",
        "warning": "caution",
        "distress": "bold distress",
        "critical": "bold critical",
        "severe": "bold reverse critical",
        "anomaly": "bold anomaly",
        "forecast": "forecast",
        "good": "good",
        "trace": "trace",
        "selected": "value on cursor",
        "cursor": "on cursor",
        "reverse": "reverse foreground",
        "identity": "bold background on accent",
    }
)
"""Style name -> attributes and colours of the theme: `bold value`, `background on accent`."""


def _theme(name: str, *, dark: bool, colours: dict[str, str]) -> Theme:
    return Theme(
        name=name,
        primary=colours["accent"],
        secondary=colours["label"],
        accent=colours["accent"],
        warning=colours["caution"],
        error=colours["critical"],
        success=colours["good"],
        foreground=colours["foreground"],
        background=colours["background"],
        surface=colours["surface"],
        panel=colours["panel"],
        dark=dark,
        variables={
            key: colours[key]
            for key in (
                "value", "label", "dim", "line", "spark", "key", "watch", "caution", "distress", "critical",
                "anomaly", "forecast", "good", "trace", "cursor",
            )
        },
    )  # fmt: skip


NIGHT = _theme(
    "night",
    dark=True,
    colours={
        "foreground": "#c5d0e0", "background": "#0a0e16", "surface": "#0f1620", "panel": "#141e30",
        "accent": "#5cc4ff", "value": "#f2f5fa", "label": "#8fa3c2", "dim": "#5f6f8a", "line": "#2b3a52",
        "spark": "#5c86ad", "key": "#ffb454", "watch": "#b39a4d", "caution": "#ffcf66", "distress": "#ff9e4d",
        "critical": "#ff6b6b", "anomaly": "#c792ea", "forecast": "#4b8f9c", "good": "#7fdb6a", "trace": "#5cc4ff",
        "cursor": "#1d3a5f",
    },
)  # fmt: skip
DAY = _theme(
    "day",
    dark=False,
    colours={
        "foreground": "#24303f", "background": "#fbfaf7", "surface": "#f3f1ec", "panel": "#e6eaf0",
        "accent": "#005f9e", "value": "#0b1220", "label": "#44546a", "dim": "#6d7888", "line": "#b8c1cc",
        "spark": "#6f8fae", "key": "#9a5b00", "watch": "#7d6608", "caution": "#8a5a00", "distress": "#b34700",
        "critical": "#b80f0a", "anomaly": "#7a2fb0", "forecast": "#2f7783", "good": "#2c6e1f", "trace": "#005f9e",
        "cursor": "#cfe3f5",
    },
)  # fmt: skip
HIGH_CONTRAST = _theme(
    "high-contrast",
    dark=True,
    colours={
        "foreground": "#ffffff", "background": "#000000", "surface": "#000000", "panel": "#000000",
        "accent": "#00d7ff", "value": "#ffffff", "label": "#e4e4e4", "dim": "#b2b2b2", "line": "#8a8a8a",
        "spark": "#d0d0d0", "key": "#ffff00", "watch": "#ffff87", "caution": "#ffff00", "distress": "#ffaf00",
        "critical": "#ff5f5f", "anomaly": "#ff87ff", "forecast": "#5fffff", "good": "#5fff5f", "trace": "#ffffff",
        "cursor": "#005fd7",
    },
)  # fmt: skip

THEMES = (NIGHT, DAY, HIGH_CONTRAST)


_MADE: dict[str, tuple[Theme, Mapping[str, Style]]] = {}


def rich_styles(theme: Theme) -> Mapping[str, Style]:
    """Every style of `STYLES` in the colours of `theme`; one that is not ours lends its own and the rest of night.

    Component classes would say the same, at a price: Textual computes each of them for each widget, again on every
    change of a class.
    """
    known = _MADE.get(theme.name)
    if known is not None and known[0] is theme:
        return known[1]
    colours = {**NIGHT.variables, **theme.variables}
    colours["accent"] = theme.accent or theme.primary
    colours["foreground"] = theme.foreground or NIGHT.foreground or "default"
    colours["background"] = theme.background or NIGHT.background or "default"

    def word(text: str) -> str:
        return colours.get(text, text) if text in _NAMES else text

    made = MappingProxyType({name: Style.parse(" ".join(map(word, look.split()))) for name, look in STYLES.items()})
    _MADE[theme.name] = (theme, made)
    return made


_NAMES = frozenset(word for look in STYLES.values() for word in look.split()) - {"bold", "reverse", "on"}
