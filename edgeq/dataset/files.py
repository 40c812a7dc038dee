"""A source of which every sample is one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeq.dataset.labels import Labels
from edgeq.dataset.listing import Listing
from edgeq.preprocess.raw import Raw


@dataclass(frozen=True)
class FileSource:
    """`open_file` reads one; its errors name the file."""

    kind: str
    listing: Listing
    open_file: Callable[[Path], Raw]
    inputs: tuple[str, ...] = ("x",)

    @property
    def found(self) -> Labels:
        return self.listing.found

    @property
    def notes(self) -> tuple[str, ...]:
        return self.listing.notes

    def __len__(self) -> int:
        return len(self.listing.files)

    def read(self, index: int) -> tuple[Raw, ...]:
        return (self.open_file(self.listing.path(index)),)

    def name(self, index: int) -> str:
        return self.listing.files[index]
