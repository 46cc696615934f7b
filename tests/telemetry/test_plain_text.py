"""Text from outside cannot act on a terminal, and what was hidden in it shows."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.plain_text import REPLACEMENT, is_plain, plain_text

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=300)


@given(ANY_TEXT, st.integers(1, 250))
def test_nothing_that_acts_or_hides_comes_through(text: str, limit: int) -> None:
    shown = plain_text(text, limit)
    assert len(shown) <= limit
    for character in shown:
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        assert character.isprintable()


@given(ANY_TEXT, st.integers(1, 250))
def test_twice_is_once(text: str, limit: int) -> None:
    once = plain_text(text, limit)
    assert plain_text(once, limit) == once
    assert is_plain(once, limit)


@given(ANY_TEXT)
def test_columns_are_kept(text: str) -> None:
    assert len(plain_text(text, 1000)) == len(text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("[red]alert[/red]", "[red]alert[/red]"),
        ("[/", "[/"),
        ("\x1b]52;c;aGFjaw==\x07", f"{REPLACEMENT}]52;c;aGFjaw=={REPLACEMENT}"),
        ("\x1b[2J", f"{REPLACEMENT}[2J"),
        ("\x9b2J", f"{REPLACEMENT}2J"),
        ("abc\u202edcba", f"abc{REPLACEMENT}dcba"),
        ("\u2066x\u2069", f"{REPLACEMENT}x{REPLACEMENT}"),
        ("ze\u200bro\u200d\ufeff", f"ze{REPLACEMENT}ro{REPLACEMENT}{REPLACEMENT}"),
        ("fill\u3164er\u034f", f"fill{REPLACEMENT}er{REPLACEMENT}"),
        ("lone \ud800", f"lone {REPLACEMENT}"),
        ("one\ntwo\r\nthree\tfour\u2028five\u00a0six", "one two  three four five six"),
        ("tag\U000e0041", f"tag{REPLACEMENT}"),
        ("Bus 5V °C µT ◈ 表 é", "Bus 5V °C µT ◈ 表 é"),
        ("", ""),
    ],
)
def test_hostile_and_honest_examples(raw: str, shown: str) -> None:
    assert plain_text(raw) == shown


def test_a_long_text_is_cut_and_says_so() -> None:
    assert plain_text("x" * 201) == "x" * 199 + "…"
    assert plain_text("x" * 200) == "x" * 200
    assert plain_text("xy", 1) == "…"


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        plain_text("x", 0)
