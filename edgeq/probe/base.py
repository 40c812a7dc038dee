"""What a probe is: it watches a bench and gives raw series. A power meter is a probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edgeq.run import Series


class Probe(Protocol):
    """The bench starts all probes, runs, and stops them all, also when it fails midway.

    `start` raises where the probe cannot work (a missing file, a silent meter), so nothing is measured in vain.
    """

    @property
    def name(self) -> str:
        """The address it was opened by, for messages and for the run."""

    def start(self) -> None:
        """Begin to watch."""

    def stop(self) -> Sequence[Series]:
        """End, and give what was seen."""
