"""One TOML table, read key by key, so that every complaint can quote file, key and what was expected."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from edgeq.errors import TargetError


class Table:
    """`name` is its place in the file, empty for the whole file. `done` complains about keys that nobody asked for."""

    def __init__(self, path: Path, name: str, data: dict[str, Any]) -> None:
        self.path, self.name, self.data, self.seen = path, name, data, set[str]()

    def fail(self, key: str, expected: str) -> TargetError:
        """The complaint that `key` is not as `expected`, in the file's own words."""
        told = complaint(self.path, self._where(key), expected, self.data.get(key))
        # Keys that are like each other are no mistake: ram_bytes, ram_reserved_bytes.
        near = [] if key in self.data else difflib.get_close_matches(key, set(self.data) - self.seen, 1, 0.8)
        return TargetError(told.message, f"There is '{self._where(near[0])}': is it a slip?") if near else told

    def text(self, key: str, default: str | None = None, choices: tuple[str, ...] = ()) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.fail(key, "a text")
        if choices and value not in choices:
            raise self.fail(key, f"one of {', '.join(choices)}")
        return value

    def texts(self, key: str, default: list[str] | None = None, choices: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self._get(key, default)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(key, "a list of texts")
        if choices and not set(value) <= set(choices):
            raise self.fail(key, f"made of {', '.join(choices)}")
        return tuple(value)

    def flag(self, key: str) -> bool:
        value = self._get(key, False)
        if not isinstance(value, bool):
            raise self.fail(key, "true or false")
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        value = self._get(key, None)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def table(self, key: str) -> Table:
        value = self._get(key, None)
        if not isinstance(value, dict):
            raise self.fail(key, "a table")
        return Table(self.path, self._where(key), value)

    def tables(self, key: str) -> list[Table]:
        """Those of `[[key]]`, in order; empty where there is none."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fail(key, f"tables, each begun by [[{self._where(key)}]]")
        return [Table(self.path, f"{self._where(key)}[{index}]", item) for index, item in enumerate(value)]

    def done(self) -> None:
        for key in self.data:
            if key not in self.seen:
                near = difflib.get_close_matches(key, sorted(self.seen), 1)
                hint = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(sorted(self.seen))}."
                raise TargetError(f"{self.path}: unknown key '{self._where(key)}'.", hint)

    def _where(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def _get(self, key: str, default: Any) -> Any:
        self.seen.add(key)
        return self.data.get(key, default)


def complaint(path: Path, where: str, expected: str, said: object | None) -> TargetError:
    """A `TargetError` that quotes the file; `said` is None where the key is missing."""
    got = "it is missing" if said is None else f"it says {said!r}"
    return TargetError(
        f"{path}: '{where}' must be {expected}; {got}.",
        "docs/targets.md has every key; targets/rpi4.toml is an example.",
    )
