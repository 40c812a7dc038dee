"""Samples from folders of images: kind `image`."""

from __future__ import annotations

from edgeq.dataset.files import FileSource
from edgeq.dataset.listing import Listing
from edgeq.dataset.options import Options
from edgeq.dataset.picture import read_image


def open_images(listing: Listing, _: Options) -> FileSource:
    """One sample per file."""
    return FileSource("image", listing, read_image)
