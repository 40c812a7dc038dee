"""The files of a folder (class per folder) or of a CSV with the columns file and label, whatever they hold."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeq.dataset import labels
from edgeq.dataset.labels import LabelReader, Labels
from edgeq.dataset.options import Options, Ticker
from edgeq.errors import UsageError

FILE_COLUMNS = ("file", "filename", "file_name", "path", "image", "wav", "audio")
LABEL_COLUMNS = ("label", "class", "y", "target", "labels", "category")
LIST_SUFFIXES = (".csv", ".tsv")
_MOST_HEADER_BYTES = 1 << 16


@dataclass(frozen=True)
class Listing:
    """Files relative to `root`, in the order of the samples. `origin` is the folder or CSV that was given.

    A class number of -1 is that of a file which lies beside class folders; `only` leaves none.
    """

    root: Path
    origin: Path
    files: tuple[str, ...]
    found: Labels
    notes: tuple[str, ...] = ()

    def path(self, index: int) -> Path:
        return self.root / self.files[index]

    def only(self, pattern: re.Pattern[str]) -> Listing:
        """Those files whose names fit `pattern`, with notes on what looks odd; `UsageError` where some lack a class."""
        places = [place for place, name in enumerate(self.files) if pattern.search(name)]
        files = tuple(self.files[place] for place in places)
        notes = [*self.notes]
        if len(files) < len(self.files):
            notes.append(f"{_plural(len(self.files) - len(files), 'other file')} skipped in '{self.origin}'.")
        found = self.found.chosen(places)
        if found.numbers is None:
            return replace(self, files=files, found=found, notes=tuple(notes))
        numbers = found.numbers
        loose = numbers < 0
        if loose.all():
            return replace(self, files=files, found=labels.NONE, notes=tuple(notes))
        if loose.any():
            raise UsageError(
                f"'{files[int(loose.argmax())]}' lies in '{self.root}' beside folders of classes, so it has no class.",
                "Move it into the folder of its class.",
            )
        counts = np.bincount(numbers, minlength=len(self.found.classes))
        empty = [name for name, count in zip(self.found.classes, counts, strict=False) if not count]
        if empty:
            notes.append(f"No file in '{self.origin}' is of the class {', '.join(empty[:5])}.")
        if len(files) > 1 and counts.max() == 1:
            notes.append(f"Every class of '{self.origin}' has one file only: are these classes?")
        return replace(self, files=files, found=found, notes=tuple(notes))


def list_folder(root: Path, options: Options) -> Listing:
    """A CSV in or beside the folder says what is what, else each folder in it is a class, else there are no labels.

    Folders are numbered in the order of their names, as Keras and torchvision do, or in that of `options.classes`.
    Names that begin with a dot are left out, and folders that begin with an underscore (`_background_noise_`).
    """
    tables = [path for path in _tables(root) if is_list(path)]
    if len(tables) > 1:
        names = " and ".join(f"'{path}'" for path in tables)
        raise UsageError(f"{names} both list files of '{root}'.", "Give the one that you mean instead of the folder.")
    if tables:
        return read_list(tables[0], root, options)
    loose, folders = _scan(root)
    used = [name for name in folders if not name.startswith("_")]
    files, counts = _inside(root, used, options)
    if not used or not files:
        return Listing(root, root, tuple(loose), labels.NONE)
    places = np.repeat(_class_numbers(root, used, options), counts)
    numbers = np.concatenate([places, np.full(len(loose), -1)]).astype(np.int64)
    notes = [f"The folder '{root / name}' was skipped." for name in folders if name not in used]
    if not options.classes and all(map(str.isdecimal, used)) and used != sorted(used, key=int):
        notes.append(
            f"The folders of '{root}' are numbered in the order of their names as texts: {', '.join(used[:4])}."
        )
    return Listing(root, root, (*files, *loose), Labels(numbers, options.classes or tuple(used)), tuple(notes))


def is_list(path: Path) -> bool:
    """Does the header of this CSV name a column of files?"""
    try:
        with path.open("rb") as file:
            header = file.readline(_MOST_HEADER_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return any(name.strip().strip('"').lower() in FILE_COLUMNS for name in header.split(delimiter_of(path, header)))


def label_column(names: Sequence[str]) -> int | None:
    """The place of the class among the names of columns; a `y` beside a `z` is an axis of a sensor."""
    found = [name.strip().lower() for name in names]
    wanted = [name for name in LABEL_COLUMNS if name in found and not (name == "y" and "z" in found)]
    return found.index(wanted[0]) if wanted else None


def delimiter_of(path: Path, line: str) -> str:
    """Tabs in a .tsv; else whichever of comma, semicolon and tab the line has most of."""
    return "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=line.count)


def read_list(path: Path, root: Path | None, options: Options) -> Listing:
    """A CSV with a column of files, relative to `root` or to the CSV, and perhaps one of labels."""
    root = root or path.parent
    texts = LabelReader(options.classes, str(path))
    files, labelled = [], False
    columns: dict[str, list[str]] = {}
    for row, name, label, beside in _rows(path, options):
        if not any((base / name).is_file() for base in (root, path.parent)):
            raise UsageError(f"'{path}', line {row}: there is no file '{name}'.", f"Give it as it lies below '{root}'.")
        files.append(name if (root / name).is_file() else os.path.relpath(path.parent / name, root))
        if label is not None:
            labelled = True
            if not label:
                raise UsageError(f"'{path}', line {row}: '{name}' has no label.", "Give every file its label.")
            texts.add(label)
        for column, text in beside.items():
            columns.setdefault(column, []).append(text)
    found = replace(texts.finish() if labelled else labels.NONE, columns={k: tuple(v) for k, v in columns.items()})
    return Listing(root, path, tuple(files), found)


def _rows(path: Path, options: Options) -> Iterator[tuple[int, str, str | None, dict[str, str]]]:
    """(line, file, label or None, the wanted columns) of each row."""
    try:
        ticker = Ticker(options.progress, f"reading '{path}'", path.stat().st_size)
        with path.open(encoding="utf-8-sig", newline="") as file:
            header_line = file.readline(_MOST_HEADER_BYTES)
            delimiter, done = delimiter_of(path, header_line), len(header_line)
            names = [name.strip() for name in next(csv.reader([header_line], delimiter=delimiter), [])]
            header = [name.lower() for name in names]
            wanted = {name: place for place, name in enumerate(names) if name in options.columns}
            file_at = next(index for index, name in enumerate(header) if name in FILE_COLUMNS)
            label_at = label_column(header)
            for number, fields in enumerate(csv.reader(file, delimiter=delimiter), 2):
                done += sum(map(len, fields)) + len(fields)
                ticker.tell(done)
                if not any(fields):
                    continue
                if len(fields) != len(header):
                    raise UsageError(
                        f"'{path}', line {number}: there are {len(fields)} fields; the header has {len(header)}.",
                        "Put a field that holds the delimiter in quotes.",
                    )
                label = None if label_at is None else fields[label_at].strip()
                yield number, fields[file_at].strip(), label, {k: fields[at].strip() for k, at in wanted.items()}
    except (OSError, UnicodeDecodeError, csv.Error, StopIteration) as error:
        raise UsageError(
            f"'{path}' cannot be read as a list of files: {error}.", "Save it as UTF-8 with the columns file,label."
        ) from error


def _tables(root: Path) -> list[Path]:
    """The tables in the folder, and that of its name beside it."""
    beside = [root.parent / f"{root.resolve().name}{suffix}" for suffix in LIST_SUFFIXES]
    within = [root / name for name in _scan(root)[0] if name.lower().endswith(LIST_SUFFIXES)]
    return [path for path in (*within, *beside) if path.is_file()]


def _scan(folder: Path) -> tuple[list[str], list[str]]:
    """Names of files and of folders, sorted; what begins with a dot is left out."""
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (folders if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        raise UsageError(
            f"The folder '{folder}' cannot be read: {error.strerror or error}.", "Check its permissions."
        ) from error
    return sorted(files), sorted(folders)


def _inside(root: Path, folders: list[str], options: Options) -> tuple[list[str], list[int]]:
    """The files in these folders, folder by folder, and how many each has."""
    ticker = Ticker(options.progress, f"listing '{root}'", len(folders))
    files, counts, below = [], [], []
    for done, folder in enumerate(folders):
        ticker.tell(done)
        names, deeper = _scan(root / folder)
        below += [f"{folder}/{name}" for name in deeper]
        files += [f"{folder}/{name}" for name in names]
        counts.append(len(names))
    if not files and below:
        raise UsageError(
            f"'{root}' holds folders of folders ({', '.join(below[:3])}).",
            f"Give the one whose folders are the classes, such as {root / below[0].split('/')[0]}.",
        )
    return files, counts


def _class_numbers(root: Path, folders: list[str], options: Options) -> list[int]:
    if not options.classes:
        return list(range(len(folders)))
    for name in folders:
        if name not in options.classes:
            raise labels.stranger(name, options.classes, str(root))
    return [options.classes.index(name) for name in folders]


def _plural(count: int, what: str) -> str:
    return f"{count} {what} was" if count == 1 else f"{count} {what}s were"
