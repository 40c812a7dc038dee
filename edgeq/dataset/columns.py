"""Columns beside the samples: who spoke, which device, which weather; from the data itself or a table beside it."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeq.dataset.listing import FILE_COLUMNS, delimiter_of
from edgeq.dataset.source import Dataset
from edgeq.errors import UsageError

SUFFIX = ".meta.csv"
NAME_COLUMNS = ("name", *FILE_COLUMNS)
INDEX = "index"
_MOST_BYTES = 256 << 20


def read_columns(data: Dataset, wanted: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """One text for each sample, by column. `UsageError` for a column that is nowhere, or lacks a sample.

    What the data does not have itself is looked for in `set.meta.csv` beside `set.npz` or `set/`: its column `index`
    (from 0) or `name` (of the file) says which sample a line is for; without both, lines are in the order of samples.
    """
    missing = [name for name in wanted if name not in data.columns]
    table = _read(data, missing) if missing else {}
    return {name: data.columns[name] if name in data.columns else table[name] for name in wanted}


def beside(spec: str) -> Path:
    """Where the table for the data `spec` would lie."""
    path = Path(spec)
    return path.parent / f"{path.name if path.is_dir() else path.stem}{SUFFIX}"


def _read(data: Dataset, wanted: Sequence[str]) -> dict[str, tuple[str, ...]]:
    path = beside(data.spec)
    if not path.is_file():
        raise UsageError(
            f"'{data.spec}' has no column '{wanted[0]}', and there is no '{path}'.",
            f"Save it with the data, or write a table '{path.name}' with the columns {INDEX},{wanted[0]}.",
        )
    names, lines = _lines(path)
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean '{near[0]}'?" if near else f"It has {', '.join(names)}."
            raise UsageError(f"Neither '{data.spec}' nor '{path}' has a column '{name}'.", hint)
    order = _order(path, data, names, lines)
    return {name: tuple(lines[place][names.index(name)] for place in order) for name in wanted}


def _lines(path: Path) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, and every line that is not blank."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"'{path}' has more than {_MOST_BYTES:,} bytes.", "Keep only the columns that you need.")
        text = path.read_text(encoding="utf-8-sig")
        first, _, _ = text.partition("\n")
        read = csv.reader(text.splitlines(), delimiter=delimiter_of(path, first))
        names, *lines = [[field.strip() for field in line] for line in read if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise UsageError(f"'{path}' cannot be read: {error}.", "Save it as UTF-8, a line of names first.") from error
    odd = next((number for number, line in enumerate(lines, 2) if len(line) != len(names)), None)
    if odd:
        raise UsageError(
            f"Line {odd} of '{path}' has not as many fields as the first line.", "Give every line as many."
        )
    return names, lines


def _order(path: Path, data: Dataset, names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """For each sample the place of its line."""
    lower = [name.lower() for name in names]
    if INDEX in lower:
        keys = {str(index): index for index in range(len(data))}
        return _matched(path, keys, [line[lower.index(INDEX)] for line in lines])
    key = next((name for name in NAME_COLUMNS if name in lower), None)
    if key:
        return _matched(
            path, {data.name(index): index for index in range(len(data))}, [line[lower.index(key)] for line in lines]
        )
    if len(lines) != len(data):
        raise UsageError(
            f"'{path}' has {len(lines)} lines and '{data.spec}' has {len(data)} samples.",
            f"Give a column {INDEX} or name, or one line for each sample in their order.",
        )
    return list(range(len(data)))


def _matched(path: Path, samples: Mapping[str, int], keys: Sequence[str]) -> list[int]:
    lines = {key: place for place, key in enumerate(keys)}
    missing = next((name for name in samples if name not in lines), None)
    if missing is not None:
        raise UsageError(f"'{path}' has no line for the sample '{missing}'.", "Give one line for every sample.")
    return [lines[name] for name in samples]
