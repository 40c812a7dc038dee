"""A meter's recording: a CSV with a header of known quantities and units becomes power over time.

Columns are named `quantity_unit`, `quantity(unit)` or `quantity [unit]`, in any case and order: time, and power or
current with voltage, and optionally a marker of 0 and 1. Other columns are left alone. Lines that begin with `#` are
comments, but for the last one before the samples where no other line names columns (Joulescope). Where columns are
not parted by commas, numbers may have decimal commas.
"""

from __future__ import annotations

import csv
import difflib
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import UsageError

UNITS: dict[str, dict[str, float]] = {
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "power": {"w": 1e3, "mw": 1.0, "uw": 1e-3, "nw": 1e-6},
    "current": {"a": 1.0, "ma": 1e-3, "ua": 1e-6, "na": 1e-9},
    "voltage": {"v": 1.0, "mv": 1e-3, "uv": 1e-6},
}
"""Quantity -> unit -> factor to s, mW, A and V."""
NAMES = {
    **dict.fromkeys(("t", "time", "timestamp", "elapsed"), "time"),
    **dict.fromkeys(("p", "power"), "power"),
    **dict.fromkeys(("i", "current"), "current"),
    **dict.fromkeys(("u", "v", "voltage"), "voltage"),
}
JOULESCOPE = ("time", "current", "voltage", "power", "charge", "energy")
"""The header of the Joulescope UI's recorded statistics, which has no units: they are those of the SI."""
PPK2_PINS = "d0-d7"
"""The column in which the Power Profiler app writes all pins of a sample, D0 first: 0, 1, X (both) or - (neither)."""
MOST_SAMPLES = 2_000_000
_COLUMN = re.compile(r"([a-z]+)[ _]*[\(\[_ ] *([a-z]+) *[\)\]]?")
_VOCABULARY = "Name columns such as t_s or timestamp_us, and power_mw, or current_ma with voltage_v."


@dataclass(frozen=True)
class Recording:
    """`t_s` strictly increasing, in seconds; `power_mw` alike; `gate` holds one flag per sample, or nothing."""

    t_s: tuple[float, ...]
    power_mw: tuple[float, ...]
    gate: tuple[bool, ...]

    def windows(self) -> tuple[tuple[float, float], ...]:
        """Where the marker was 1, as (start, end); an edge lies halfway between the samples around it."""
        found: list[tuple[float, float]] = []
        start: float | None = None
        for index, on in enumerate(self.gate):
            if on and start is None:
                start = self._edge(index)
            elif not on and start is not None:
                found.append((start, self._edge(index)))
                start = None
        if start is not None and start < self.t_s[-1]:
            found.append((start, self.t_s[-1]))
        return tuple(found)

    def _edge(self, index: int) -> float:
        return self.t_s[0] if index == 0 else (self.t_s[index - 1] + self.t_s[index]) / 2


def read_recording(path: Path, *, gate: str = "gate", supply_v: float | None = None) -> Recording:
    """Read a meter's CSV. `gate` names the marker column; `supply_v` stands in where only current was recorded.

    `UsageError` names the file, the line and what is wrong: an unknown header, a bad number, NaN, time that does not
    advance, more than two million samples.
    """
    try:
        try:
            return _read(path, "utf-8-sig", gate, supply_v)
        except UnicodeDecodeError:  # such as the micro sign of an instrument's software on Windows
            return _read(path, "cp1252", gate, supply_v)
    except FileNotFoundError as error:
        raise UsageError(f"There is no recording {path}.", "Correct the path behind 'replay:'.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as a meter's recording: {error}.", _VOCABULARY) from error


def _read(path: Path, encoding: str, gate: str, supply_v: float | None) -> Recording:
    with path.open(encoding=encoding, newline="") as file:
        header, lines = _header(file)
        return _parse(path, header, lines, gate, supply_v)


def _header(file: Iterator[str]) -> tuple[str, Iterator[tuple[int, str]]]:
    """The line that names columns, and those behind it with their numbers, without comments."""
    lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
    comment = ""
    for number, line in lines:
        if line.startswith("#"):
            comment = line[1:]
            continue
        samples = ((number, line) for number, line in lines if not line.startswith("#"))
        if "\0" in line:
            raise csv.Error("it is no text of one byte a letter; save it as UTF-8")
        # A line that begins with a number is a sample: the comment above it is the header.
        if comment and re.match(r'[\s"]*[-+.]?\d', line):
            return comment, itertools.chain([(number, line)], samples)
        return line, samples
    return comment, iter(())


def _parse(path: Path, header: str, lines: Iterator[tuple[int, str]], gate: str, supply_v: float | None) -> Recording:
    delimiter = max(",;\t", key=header.count)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    if tuple(name.lower() for name in names) == JOULESCOPE:
        names = ["time_s", "current_a", "voltage_v", "power_w", *names[4:]]
    columns, pin = _columns(path, names, gate, supply_v)
    times: list[float] = []
    powers: list[float] = []
    flags: list[bool] = []
    for number, line in lines:
        row = _row(path, number, names, line, delimiter)
        if pin is not None:
            row[columns["gate"][0]] = _pin(row, columns["gate"][0], pin, before=bool(flags) and flags[-1])
        cell = {what: _number(path, number, names, row, index) * factor for what, (index, factor) in columns.items()}
        if times and cell["time"] <= times[-1]:
            raise UsageError(
                f"{path}:{number}: time does not advance: {cell['time']:g} s after {times[-1]:g} s.",
                "Sort the recording by time and remove doubled samples.",
            )
        if len(times) == MOST_SAMPLES:
            raise UsageError(f"{path}: more than {MOST_SAMPLES:,} samples.", "Average to a lower rate, or cut it.")
        times.append(cell["time"])
        powers.append(
            cell["power"] if "power" in cell else cell["current"] * cell.get("voltage", supply_v or 0.0) * 1e3
        )
        if "gate" in cell:
            flags.append(_flag(path, number, cell["gate"]))
    if len(times) < 2:
        raise UsageError(f"{path}: has {len(times)} samples; at least two are needed.", "Record for longer.")
    return Recording(tuple(times), tuple(powers), tuple(flags))


def _row(path: Path, number: int, names: list[str], line: str, delimiter: str) -> list[str]:
    """The cells of a line, at least as many as there are columns; decimal commas become points."""
    row = [text.strip() for text in next(csv.reader([line], delimiter=delimiter))]
    if any(row[len(names) :]):
        raise UsageError(
            f"{path}:{number}: has {len(row)} cells where the header has {len(names)}.",
            "Where numbers have decimal commas, columns are parted by semicolons or tabs; say so in the export.",
        )
    if delimiter != ",":
        row = [text.replace(",", ".") if text.count(",") == 1 and "." not in text else text for text in row]
    return row + [""] * (len(names) - len(row))


def _pin(row: list[str], index: int, pin: int, *, before: bool) -> str:
    """One pin of the PPK2's; X has seen an edge: as the other level both edges are early alike, no pulse is lost."""
    level = row[index][pin : pin + 1]
    return str(int(not before)) if level == "X" else level


def _columns(
    path: Path, names: list[str], gate: str, supply_v: float | None
) -> tuple[Mapping[str, tuple[int, float]], int | None]:
    """Quantity -> (column, factor) for the quantities that are used; which pin the gate is of the PPK2's, if one."""
    found: dict[str, tuple[int, float]] = {}
    plain = [name.lower() for name in names]
    own = gate.lower() in plain
    pin = int(gate[1]) if not own and PPK2_PINS in plain and re.fullmatch("[dD][0-7]", gate) else None
    marker = gate.lower() if pin is None else PPK2_PINS
    for index, name in enumerate(names):
        what, factor = ("gate", 1.0) if name.lower() == marker else _meaning(path, name)
        if what and what in found:
            raise UsageError(
                f"{path}: the columns '{names[found[what][0]]}' and '{name}' both give {what}.", "Keep one."
            )
        if what:
            found[what] = (index, factor)
    listed = ", ".join(f"'{name}'" for name in names) or "nothing"
    if "time" not in found or not {"power", "current"} & found.keys():
        missing = "time" if "time" not in found else "power or current"
        near = difflib.get_close_matches(missing.split()[0], [name.lower() for name in names], 1, 0.4)
        hint = f"'{near[0]}' needs a unit. " if near else "Remove the lines above the header, if there are any. "
        raise UsageError(f"{path}: no column gives {missing}; the header has {listed}.", hint + _VOCABULARY)
    if gate != "gate" and "gate" not in found:
        raise UsageError(f"{path}: there is no marker column '{gate}'; the header has {listed}.", "Correct 'gate='.")
    if "power" in found:
        found.pop("current", None)
        found.pop("voltage", None)
    elif "voltage" not in found and supply_v is None:
        raise UsageError(
            f"{path}: current without voltage gives no power.", "Add '?supply_v=3.3' (your supply) to the address."
        )
    return found, pin


def _meaning(path: Path, name: str) -> tuple[str, float]:
    """What a column gives and the factor to base units, or nothing where the name is not of the vocabulary."""
    plain = name.lower().replace("µ", "u").replace("μ", "u")
    match = _COLUMN.fullmatch(plain)
    quantity = NAMES.get(match[1]) if match else None
    if match is None or quantity is None:
        return "", 0.0
    if match[2] not in UNITS[quantity]:
        known = ", ".join(UNITS[quantity])
        raise UsageError(f"{path}: the column '{name}' has the unknown unit '{match[2]}'.", f"Known units are {known}.")
    return quantity, UNITS[quantity][match[2]]


def _number(path: Path, line: int, names: list[str], row: list[str], index: int) -> float:
    text = row[index]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        what = f"'{text}' is not a finite number" if text else "the value is missing"
        raise UsageError(f"{path}:{line}: column '{names[index]}': {what}.", "Correct or remove the line.")
    return value


def _flag(path: Path, line: int, value: float) -> bool:
    if value not in (0, 1):
        raise UsageError(f"{path}:{line}: the marker must be 0 or 1; it is {value:g}.", "Correct the marker column.")
    return value == 1
