"""One state a channel: of the rules it breaks, limits, stuck and rate, the worst speaks.

So a channel has one alarm, whatever is wrong with it (XTCE: one monitoring result a parameter).
"""

from __future__ import annotations

from collections.abc import Iterable

from telemetry.limits import Transition


class Standing:
    """What the channels of one satellite break now, by rule."""

    def __init__(self) -> None:
        self._rules: dict[str, dict[str, Transition]] = {}

    def merge(self, changes: Iterable[Transition]) -> list[Transition]:
        """Transitions of rules, in; of channels, out.

        A rule that another one outweighs says nothing. Where the worst one ends, the next worst is entered; the
        channel has returned when none is left.
        """
        found: list[Transition] = []
        for change in changes:
            name, rule = change.channel.name, change.result.rule
            rules = self._rules.setdefault(name, {})
            spoke = _worst(rules)
            rules.pop(rule, None)
            if change.entered:
                rules[rule] = change
            speaks = _worst(rules)
            if speaks is None:
                del self._rules[name]
                found.append(change)
            elif speaks is change or (spoke is not None and spoke.result.rule == rule):
                found.append(speaks)
        return found

    def take_up(self, broken: Transition) -> None:
        """A rule that was broken when the station ended, and still is as far as anybody knows."""
        self._rules.setdefault(broken.channel.name, {})[broken.result.rule] = broken

    def speaking(self, ongoing: Iterable[Transition]) -> list[Transition]:
        """Those of `ongoing` that speak for their channel."""
        found: list[Transition] = []
        for now in ongoing:
            worst = _worst(self._rules.get(now.channel.name, {}))
            if worst is None or worst.result.rule == now.result.rule:
                found.append(now)
        return found


def _worst(rules: dict[str, Transition]) -> Transition | None:
    """The highest level; of equal ones the newest."""
    return max(reversed(rules.values()), key=lambda one: one.result.level, default=None)
