"""What a format may be told when it is opened, and how it says how far a long pass is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[str], None]


def silent(_: str) -> None:
    """Progress that nobody wants to see."""


@dataclass(frozen=True)
class Options:
    """`classes`: the names of the classes in label order, where they are known from elsewhere; else empty.

    `inputs`: the arrays to take as a sample, in this order, where the data has several; else empty.
    `columns`: what is no input and is wanted beside the samples, such as who spoke; where the data has it.
    """

    classes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    progress: Progress = silent


class Ticker:
    """Tells how far a pass over `total` units (0: nobody knows) is, once a second, from its second second on."""

    def __init__(self, progress: Progress, what: str, total: int = 0) -> None:
        self._progress, self._what, self._total, self._done = progress, what, total, 0
        self._next_s = time.monotonic() + 1.0

    def tell(self, done: int | None = None) -> None:
        """`done` of the units are through; one more where None."""
        self._done = self._done + 1 if done is None else done
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + 1.0
            far = f"{min(100, 100 * self._done // self._total)} %" if self._total else f"{self._done:,}"
            self._progress(f"{self._what}: {far}")
