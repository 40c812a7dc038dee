"""Samples from folders of wav files: kind `audio`."""

from __future__ import annotations

from edgeq.dataset.files import FileSource
from edgeq.dataset.listing import Listing
from edgeq.dataset.options import Options
from edgeq.dataset.riff import read_wav


def open_wavs(listing: Listing, _: Options) -> FileSource:
    """One sample per file, each at its own rate."""
    return FileSource("audio", listing, read_wav)
