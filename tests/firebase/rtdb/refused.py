"""What the database does not do, with the status and the sentence it answers."""

from __future__ import annotations


class Refused(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        text: what the body says under "error".
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
