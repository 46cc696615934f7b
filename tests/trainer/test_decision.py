"""What becomes of a complete challenger: every reason there is, and what a hold changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trainer.acceptances import Release
from trainer.decision import Decision, decide
from trainer.gate import Verdict
from trainer.refits import Due
from trainer.serving import Hold

PASSES, BLIND = Verdict(None, {}), Verdict("bank recall 0.5 < 0.9 - 0.02", {})
ROWS = Due(True, None, ("hk",), 509, "509 newly accepted rows since v1")
ACT = replace(ROWS, acts=(Release(id=1, actor="ann", reason="new panel", from_ns=0),))
NOTHING_NEW = replace(ROWS, wanted=False, reason="250 newly accepted rows, a fit wants 500")
PASSED_ONLY = f"passes; {NOTHING_NEW.reason}"
SAID = "anchor released by ann: new panel"
HOLD = Hold(0, 1_795_341_600_000_000_000, "kim", "camera calibration")


@pytest.mark.parametrize(
    ("verdict", "due", "options", "expected"),
    [
        (PASSES, ROWS, {}, ("promoted", ROWS.reason, True, False)),
        (PASSES, ROWS, {"first": "first model"}, ("promoted", "first model", True, False)),
        (PASSES, ACT, {}, ("promoted", SAID, True, False)),
        (PASSES, NOTHING_NEW, {"force": True}, ("kept", PASSED_ONLY, False, False)),
        (PASSES, ROWS, {"hold": HOLD}, ("kept", HOLD.sentence, True, True)),
        (
            PASSES,
            NOTHING_NEW,
            {"force": True, "hold": HOLD},
            ("kept", f"passes; {NOTHING_NEW.reason}", False, False),
        ),
        (BLIND, ROWS, {}, ("rejected", BLIND.refusal, False, True)),
        (BLIND, ROWS, {"hold": HOLD}, ("rejected", BLIND.refusal, False, True)),
        (
            BLIND,
            ACT,
            {},
            ("rejected", f"{BLIND.refusal}; not learned yet, tried again with the next refit: {SAID}", False, True),
        ),
    ],
)
def test_each_challenger_has_its_decision_and_its_sentence(
    verdict: Verdict, due: Due, options: dict[str, Any], expected: tuple[str, str, bool, bool]
) -> None:
    settings: dict[str, Any] = {"first": None, "force": False, "hold": None, **options}
    assert decide(verdict, due, **settings) == Decision(*expected)
