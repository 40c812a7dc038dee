"""Masks for a folder of images: a PNG file with the same stem for each, whose pixels are class numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset.labels import Labels
from edgeq.dataset.listing import Listing
from edgeq.dataset.options import Options, Ticker
from edgeq.dataset.picture import read_mask
from edgeq.dataset.spool import room
from edgeq.errors import UsageError

IMAGES, MASKS = "images", "masks"
SUFFIX = ".png"


def images_in(folder: Path) -> Path:
    """Where the images of a folder are: in its `images` where that lies beside `masks`, else in itself."""
    both = (folder / IMAGES).is_dir() and (folder / MASKS).is_dir()
    return folder / IMAGES if both else folder


def masks_beside(folder: Path) -> Path | None:
    """Where the masks for a folder of images are: in `masks` beside `images`, or in `set_masks` beside `set`."""
    name = folder.resolve().name
    found = folder.parent / MASKS if name == IMAGES else folder.parent / f"{name}_{MASKS}"
    return found if found.is_dir() else None


def masked(listing: Listing, options: Options) -> Listing:
    """The same images with their masks, where there are such and no labels. `UsageError` names an image without."""
    folder = masks_beside(listing.root) if listing.origin == listing.root else None
    if folder is None or listing.found.numbers is not None:
        return listing
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == SUFFIX and path.name[0] != ".")
    there = {path.stem: path for path in files}
    stems = [Path(name).stem for name in listing.files]
    missing = [place for place, stem in enumerate(stems) if stem not in there]
    if missing:
        first = missing[0]
        more = f" ({len(missing)} of {len(stems)} images have none)" if len(missing) > 1 else ""
        raise UsageError(
            f"The image '{listing.path(first)}' has no mask '{folder / (stems[first] + SUFFIX)}'{more}.",
            "Give every image its mask, or move the folder of masks away.",
        )
    paths = [there[stem] for stem in stems]
    left = len(set(there) - set(stems))
    notes = (*listing.notes, *([f"{left} of the masks in '{folder}' have no image."] if left else []))
    found = Labels(targets=lambda: _read(paths, options), target=lambda place: read_mask(paths[place]))
    return replace(listing, found=replace(found, columns=listing.found.columns), notes=notes)


def _read(paths: list[Path], options: Options) -> NDArray[Any]:
    """(n, h, w). `UsageError` names a mask that is of another size than the first."""
    ticker = Ticker(options.progress, "reading masks", len(paths))
    first = read_mask(paths[0])
    rows = room((len(paths), *first.shape), np.uint16, "the masks")
    for place, path in enumerate(paths):
        mask = read_mask(path)
        if mask.shape != first.shape:
            sizes = [f"{width} x {height}" for height, width in (mask.shape, first.shape)]
            raise UsageError(
                f"The mask '{path}' is {sizes[0]} pixels large, '{paths[0].name}' is {sizes[1]}.",
                "Give all masks of a set one size, that of the model's output.",
            )
        rows[place] = mask
        ticker.tell()
    return rows
