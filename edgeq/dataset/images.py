"""Samples from folders of images: kind `image`."""

from __future__ import annotations

from edgeq.dataset.files import FileSource
from edgeq.dataset.listing import Listing
from edgeq.dataset.masks import masked
from edgeq.dataset.options import Options
from edgeq.dataset.picture import read_image


def open_images(listing: Listing, options: Options) -> FileSource:
    """One sample per file, with its mask where there are masks beside the folder."""
    return FileSource("image", masked(listing, options), read_image)
