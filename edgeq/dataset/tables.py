"""Samples from CSV and TSV: one line is one sample of numbers, one column may be its label. Kind `tensor`."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeq.dataset import labels
from edgeq.dataset.labels import LabelReader, Labels
from edgeq.dataset.listing import LABEL_COLUMNS, delimiter_of, label_column
from edgeq.dataset.options import Options, Ticker
from edgeq.dataset.source import Array
from edgeq.errors import UsageError
from edgeq.preprocess.raw import Raw

MOST_LINE_BYTES = 16 << 20
STRIDE = 64
"""The place of every so many lines is remembered; the lines between are skipped when one is read."""


@dataclass(frozen=True)
class Layout:
    """How the lines of one file are to be read. `label_at` is the column of the label; None without. Without a
    `header` the columns are called by their numbers. `beside` are the places of columns that are no values."""

    path: Path
    delimiter: str
    columns: tuple[str, ...]
    label_at: int | None
    header: bool
    beside: tuple[int, ...] = ()

    def fields(self, line: bytes, where: str) -> list[str]:
        """The fields of one line; `UsageError` where they are not as many as there are columns."""
        try:
            text = line.decode("utf-8-sig").rstrip("\r\n")
            if '"' in text:
                fields = next(csv.reader([text], delimiter=self.delimiter, strict=True))
            else:
                fields = text.split(self.delimiter)
        except (UnicodeDecodeError, csv.Error) as error:
            raise UsageError(
                f"{where} of '{self.path}' cannot be read: {error}.",
                "Save the table as UTF-8, one line for each sample, without line breaks inside of quotes.",
            ) from error
        if len(fields) != len(self.columns):
            raise UsageError(
                f"{where} of '{self.path}' has {len(fields)} fields; the first line has {len(self.columns)}.",
                "Give every line as many.",
            )
        return fields

    def label(self, line: bytes, number: int) -> str | None:
        """The label of one line, and a check of its number of fields; None where there is no column for it.

        Every line of the file comes through here, so that a plain one is not taken apart.
        """
        cut = self.delimiter.encode()
        if b'"' in line or line.count(cut) + 1 != len(self.columns):
            fields = self.fields(line, f"Line {number}")
            text = None if self.label_at is None else fields[self.label_at].strip()
        elif self.label_at is None:
            return None
        else:
            text = line.split(cut, self.label_at + 1)[self.label_at].strip().decode("utf-8", "replace")
        if text == "":
            raise UsageError(f"Line {number} of '{self.path}' has no label.", "Give every line its label.")
        return text

    def values(self, fields: list[str], where: str) -> Array:
        """The numbers of one line, without the label."""
        kept = [place for place in range(len(fields)) if place != self.label_at and place not in self.beside]
        try:
            return np.array([float(fields[place]) for place in kept], np.float64)
        except ValueError:
            place = next(place for place in kept if not _is_number(fields[place]))
        text = fields[place]
        if text.strip() and _is_number(text.replace(",", ".")):
            hint = "Write numbers with a decimal point."
        else:
            hint = f"Leave the column out, or call it '{LABEL_COLUMNS[0]}' if it is the class."
        found = f"'{text[:40]}', which is no number" if text.strip() else "nothing"
        raise UsageError(f"{where} of '{self.path}' holds {found}, in the column '{self.columns[place]}'.", hint)


@dataclass(frozen=True)
class TableSource:
    """`places` has the byte offset of every `STRIDE`th sample, `lines` the number of its line in the file."""

    layout: Layout
    places: array[int]
    lines: array[int]
    count: int
    found: Labels
    kind: str = "tensor"
    inputs: tuple[str, ...] = ("x",)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> tuple[Raw, ...]:
        number, line = self._line(index)
        where = f"Line {number}"
        return (Raw(self.layout.values(self.layout.fields(line, where), where)),)

    def name(self, index: int) -> str:
        return f"line {self._line(index)[0]}"

    def _line(self, index: int) -> tuple[int, bytes]:
        """The line of a sample and its number, from 1, as editors count them."""
        number, skip = self.lines[index // STRIDE], index % STRIDE
        try:
            with self.layout.path.open("rb") as file:
                file.seek(self.places[index // STRIDE])
                while line := file.readline(MOST_LINE_BYTES):
                    if not line.isspace():
                        if not skip:
                            return number, line
                        skip -= 1
                    number += 1
        except OSError as error:
            raise _unreadable(self.layout.path, error) from error
        raise UsageError(f"Sample {index} of '{self.layout.path}' is gone.", "Was the file changed meanwhile?")


def open_table(path: Path, options: Options) -> TableSource:
    """One pass over the file finds its lines and labels; then single lines are read from where they lie."""
    layout = _layout(path)
    layout = replace(
        layout, beside=tuple(place for place, name in enumerate(layout.columns) if name in options.columns)
    )
    places, lines, texts, count = array("q"), array("q"), LabelReader(options.classes, str(path)), 0
    columns: dict[int, list[str]] = {place: [] for place in layout.beside}
    for number, offset, line in _lines(path, options, skip=layout.header):
        if not count % STRIDE:
            places.append(offset)
            lines.append(number)
        label = layout.label(line, number)
        if label is not None:
            texts.add(label)
        if columns:
            fields = layout.fields(line, f"Line {number}")
            for place, values in columns.items():
                values.append(fields[place].strip())
        count += 1
    found = labels.NONE if layout.label_at is None else texts.finish()
    found = replace(found, columns={layout.columns[place]: tuple(values) for place, values in columns.items()})
    return TableSource(layout, places, lines, count, found, notes=_guessed(layout))


def _guessed(layout: Layout) -> tuple[str, ...]:
    if layout.header or layout.label_at is None:
        return ()
    column = layout.columns[layout.label_at]
    return (f"'{layout.path}' has no line of names: column {column}, which holds texts, was taken as the label.",)


def _layout(path: Path) -> Layout:
    """From the first lines: the delimiter, whether there is a header, and where the label is."""
    lines = _lines(path, Options(), skip=False)
    first = next(lines, (1, 0, b""))[2].removeprefix(b"\xef\xbb\xbf")
    delimiter = delimiter_of(path, first.decode("utf-8", "replace"))
    width = tuple(map(str, range(1 + first.count(delimiter.encode()))))
    try:
        fields = [field.strip() for field in next(csv.reader([first.decode("utf-8")], delimiter=delimiter), [])]
    except (UnicodeDecodeError, csv.Error):
        fields = Layout(path, delimiter, width, None, False).fields(first, "The first line")
    if b"\r" in first.rstrip(b"\r\n"):
        raise UsageError(
            f"'{path}' ends its lines with a carriage return alone, as old Macs did.", "Save it with other line ends."
        )
    named = label_column(fields)
    texts = [place for place, name in enumerate(fields) if name and not _is_number(name)]
    if named is not None or (texts and len(texts) + fields.count("") == len(fields)):
        if "" in fields:
            raise UsageError(
                f"The column {fields.index('') + 1} of '{path}' has no name: is it the index of a pandas table?",
                "Save the table with index=False, or name the column.",
            )
        return Layout(path, delimiter, tuple(fields), named, True)
    if len(texts) > 1:
        raise UsageError(
            f"The first line of '{path}' has {len(texts)} texts among its numbers, such as '{fields[texts[0]][:40]}'.",
            f"Begin with a line of names, and call the column of the class '{LABEL_COLUMNS[0]}'.",
        )
    columns = tuple(str(place + 1) for place in range(len(fields)))
    return Layout(path, delimiter, columns, texts[0] if texts else None, False)


def _lines(path: Path, options: Options, skip: bool) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, offset, line) of every line that is not blank, without the first of them where `skip`."""
    try:
        ticker, offset, number = Ticker(options.progress, f"reading '{path}'", path.stat().st_size), 0, 0
        with path.open("rb", buffering=1 << 20) as file:
            while line := file.readline(MOST_LINE_BYTES):
                number += 1
                if len(line) == MOST_LINE_BYTES:
                    raise UsageError(
                        f"'{path}' has a line of more than {MOST_LINE_BYTES:,} bytes.", "Is it a table at all?"
                    )
                if not line.isspace():
                    if not skip:
                        yield number, offset, line
                    skip = False
                offset += len(line)
                ticker.tell(offset)
    except OSError as error:
        raise _unreadable(path, error) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"The data file '{path}' cannot be read: {error.strerror or error}.", "Is it still there?")
