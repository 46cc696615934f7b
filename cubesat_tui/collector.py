"""The garbage collector's part in a start: none.

While a console starts it makes some hundred thousand objects that live as long as it does. The collector would look
through them again and again, a sixth of the CPU until the first paint, and find nothing to free. It is held where
the program begins, and released by every other command and by a console that stands on the screen.
"""

from __future__ import annotations

import gc


def hold() -> None:
    """Collect nothing until `release`."""
    gc.disable()


def release() -> None:
    """Collect from now on, and never look again at what is there."""
    gc.freeze()
    gc.enable()
