"""What a terminal sends, as text that a parser of keys can take: never broken, and a paste is text and short.

Textual's parser reads a paste letter by letter, some ten microseconds each, and takes what follows an escape
character inside one for keys. Here megabytes are cut to what a line of text could hold, and controls to marks.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder

PASTE, PASTED = "\x1b[200~", "\x1b[201~"
LONGEST_PASTE = 10_000
"""Characters; the rest is left out. Every line of the console that takes text takes less."""
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
MARK = "\ufffd"


class HeardText:
    """Bytes in, text out; what is cut in two by the line comes whole with the next bytes."""

    def __init__(self) -> None:
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._pasting = False
        self._room = 0
        self._rest = ""
        """In a paste: what may be the beginning of its end. Outside: the last characters that were passed on."""

    def feed(self, data: bytes) -> str:
        """The text of `data`, as far as it is complete."""
        text = self._decode(data)
        out: list[str] = []
        while text:
            text = self._paste(text, out) if self._pasting else self._keys(text, out)
        return "".join(out)

    def _keys(self, text: str, out: list[str]) -> str:
        before = len(self._rest)
        at = (self._rest + text).find(PASTE)
        if at < 0:
            out.append(text)
            self._rest = (self._rest + text)[1 - len(PASTE) :]
            return ""
        end = at + len(PASTE) - before
        out.append(text[:end])
        self._pasting, self._room, self._rest = True, LONGEST_PASTE, ""
        return text[end:]

    def _paste(self, text: str, out: list[str]) -> str:
        text, self._rest = self._rest + text, ""
        at = text.find(PASTED)
        body = text if at < 0 else text[:at]
        if at < 0:
            body, self._rest = _without_beginning(text, PASTED)
        out.append(CONTROLS.sub(MARK, body[: self._room]))
        self._room = max(0, self._room - len(body))
        if at < 0:
            return ""
        out.append(PASTED)
        self._pasting = False
        return text[at + len(PASTED) :]


def _without_beginning(text: str, sequence: str) -> tuple[str, str]:
    """`text` without what at its end may be the beginning of `sequence`, and that."""
    for size in range(min(len(text), len(sequence) - 1), 0, -1):
        if sequence.startswith(text[-size:]):
            return text[:-size], text[-size:]
    return text, ""
