"""Which kinds of data there are, and the one function that opens any of them. A new format is one row more."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.dataset import labels
from edgeq.dataset.arrays import open_arrays
from edgeq.dataset.function import open_function
from edgeq.dataset.images import open_images
from edgeq.dataset.listing import Listing, is_list, list_folder, read_list
from edgeq.dataset.masks import images_in
from edgeq.dataset.options import Options, Progress, silent
from edgeq.dataset.source import Dataset, Source
from edgeq.dataset.tables import open_table
from edgeq.dataset.tfrecord import open_records
from edgeq.dataset.usercode import PATTERN
from edgeq.dataset.wavs import open_wavs
from edgeq.errors import UsageError


@dataclass(frozen=True)
class Format:
    """`pattern` is that of the file names. A file is opened by `open_file`, a folder of such files by `open_listing`.

    What has no `open_file` is opened as a folder of one file.
    """

    name: str
    pattern: re.Pattern[str]
    told: str
    open_file: Callable[[Path, Options], Source] | None = None
    open_listing: Callable[[Listing, Options], Source] | None = None


def _names(*endings: str) -> re.Pattern[str]:
    return re.compile(rf"\.({'|'.join(endings)})$", re.IGNORECASE)


FORMATS = (
    Format("arrays", _names("npz", "npy"), ".npz and .npy", open_file=open_arrays),
    Format("tables", _names("csv", "tsv"), ".csv and .tsv", open_file=open_table),
    Format("images", _names("png", "jpe?g", "bmp", "gif", "webp"), "images", open_listing=open_images),
    Format("wav files", _names("wav", "wave"), "wav files", open_listing=open_wavs),
    Format("tfrecord files", _names(r"tf_?rec(ords?)?(-\d+-of-\d+)?"), ".tfrecord", open_listing=open_records),
)
READ = f"edgeq reads {', '.join(item.told for item in FORMATS)}, folders of the last three, and module:function."


def open_dataset(
    spec: str | Path,
    *,
    classes: Sequence[str] = (),
    inputs: Sequence[str] = (),
    columns: Sequence[str] = (),
    folder: Path | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Open a file, a folder or `module:function`, and read its first sample; a `UsageError` says what is wrong.

    `classes`: the names of the classes in label order, `inputs`: those of the model's inputs, where these are known.
    `columns`: what is no input and is wanted beside the samples, in the data or in a table beside it (`columns.py`).
    `folder`: where `module:function` is imported from, else the current one.
    """
    options = Options(tuple(classes), tuple(inputs), tuple(columns), progress)
    try:
        dataset = Dataset(_open(str(spec), folder or Path.cwd(), options), str(spec))
    except OSError as error:
        raise UsageError(
            f"'{spec}' cannot be read: {error.strerror or error}.", "Check its path and rights."
        ) from error
    if not len(dataset):
        raise UsageError(f"'{spec}' holds no samples.", "Give at least one sample, better a hundred.")
    dataset.read(0)
    return dataset


def _open(spec: str, folder: Path, options: Options) -> Source:
    path = Path(spec)
    if path.is_dir():
        return _open_listing(list_folder(images_in(path), options), options)
    if path.is_file():
        return _open_file(path, options)
    if PATTERN.fullmatch(spec):
        return open_function(spec, folder, options)
    raise _absent(path)


def _open_file(path: Path, options: Options) -> Source:
    found = next((item for item in FORMATS if item.pattern.search(path.name)), None)
    if found is None:
        raise UsageError(f"The data file '{path}' is of no kind that edgeq reads ({path.suffix or 'no suffix'}).", READ)
    if found.open_file is None:
        return _open_listing(Listing(path.parent, path, (path.name,), labels.NONE), options)
    if found.name == "tables" and is_list(path):
        return _open_listing(read_list(path, None, options), options)
    return found.open_file(path, options)


def _open_listing(listing: Listing, options: Options) -> Source:
    counts = {item: sum(1 for name in listing.files if item.pattern.search(name)) for item in FORMATS}
    there = [item for item, count in counts.items() if count]
    usable = [item for item in there if item.open_listing]
    if len(usable) > 1:
        told = " and ".join(f"{counts[item]} {item.name}" for item in usable)
        raise UsageError(f"'{listing.origin}' holds {told}.", "Give a folder that holds one kind.")
    if not usable:
        raise _nothing(listing, there)
    if usable[0].open_listing is None:
        raise AssertionError(usable[0])
    return usable[0].open_listing(listing.only(usable[0].pattern), options)


def _nothing(listing: Listing, there: list[Format]) -> UsageError:
    """A folder, or a list of files, with nothing that could be a sample."""
    single = next((name for name in listing.files if there and there[0].pattern.search(name)), None)
    if single:
        return UsageError(
            f"'{listing.origin}' is a folder, and edgeq reads {there[0].told} one file at a time.",
            f"Give the file: {listing.root / single}.",
        )
    suffixes = sorted({Path(name).suffix or name for name in listing.files})
    what = f"only files that edgeq does not read ({', '.join(suffixes[:6])})" if suffixes else "no files"
    return UsageError(f"'{listing.origin}' holds {what}.", READ)


def _absent(path: Path) -> UsageError:
    if path.exists():
        return UsageError(f"'{path}' is neither a file nor a folder.", READ)
    parent = path.parent
    names = [entry.name for entry in parent.iterdir()] if parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, 1)
    hint = f"Did you mean '{parent / near[0]}'?" if near else READ
    return UsageError(f"The data '{path}' does not exist.", hint)
