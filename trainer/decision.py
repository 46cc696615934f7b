"""What becomes of a challenger that is complete: promoted, kept or rejected, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from trainer.gate import Verdict
    from trainer.refits import Due
    from trainer.serving import Hold


class Decision(NamedTuple):
    """The word and the sentence of a run."""

    decision: str
    """`promoted`, `kept` or `rejected`."""
    reason: str
    has_files: bool
    """It passed: it gets a version and files, so that an operator may promote what is held."""
    again: bool
    """What operators declared nominal is not learned by it: the next refit takes that up again."""


def decide(verdict: Verdict, due: Due, *, first: str | None, force: bool, hold: Hold | None) -> Decision:
    """Decide by the gate, by what was due, and by what operators hold.

    Args:
        verdict: the gate's.
        due: what it was fitted for.
        first: why a model is fitted while there is no champion; None where there is one.
        force: it was asked for, due or not.
        hold: promotion is held.
    """
    if verdict.refusal is not None:
        reason = verdict.refusal
        if due.acts:
            said = "; ".join(act.sentence for act in due.acts)
            reason = f"{reason}; not learned yet, tried again with the next refit: {said}"
        return Decision("rejected", reason, has_files=False, again=True)
    if first is not None:
        reason = first
    elif due.acts:
        reason = "; ".join(act.sentence for act in due.acts)
    elif force and not due.wanted:
        return Decision("kept", f"passes; {due.reason}", has_files=False, again=False)
    else:
        reason = due.reason
    if hold is not None:
        return Decision("kept", hold.sentence, has_files=True, again=True)
    return Decision("promoted", reason, has_files=True, again=False)
