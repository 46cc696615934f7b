"""Rules that are read once.

Textual reads every rule of a stylesheet again for each screen that is opened and several times while an app starts;
all that can change in ours are the colours of the theme.
"""

from __future__ import annotations

from textual.css.stylesheet import Stylesheet


class SteadyStylesheet(Stylesheet):
    """A stylesheet that parses what is new, and everything only for other variables."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._in_use = variables

    def set_variables(self, variables: dict[str, str]) -> None:
        """As `Stylesheet`; the same variables change nothing."""
        if variables != self._in_use:
            self._in_use = variables
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parse in place, where what was parsed before is known."""
        self.parse()
