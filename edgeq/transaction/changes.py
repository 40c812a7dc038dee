"""What applications would meet in another interface, from two `interface.json`.

Read by host and agent alike: Python 3.9 and the standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """One clause for each thing that an application written for `before` would meet; none where nothing changed."""
    return [
        *_tensors("input", before["inputs"], after["inputs"]),
        *_tensors("output", before["outputs"], after["outputs"]),
        *_labels(list(before["labels"]), list(after["labels"])),
        *_preprocess(before.get("preprocess"), after.get("preprocess")),
        *_value("threshold", _real(before.get("threshold")), _real(after.get("threshold"))),
        *_value("smoothing", int(before.get("smoothing", 1)), int(after.get("smoothing", 1))),
    ]


def _real(value: Any) -> Any:
    return None if value is None else float(value)


def _value(name: str, was: Any, now: Any) -> Iterator[str]:
    if was != now:
        yield f"{name}: {was} before, now {now}"


def _tensors(what: str, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if len(before) != len(after):
        yield f"{len(before)} {what}s before, now {len(after)}"
        return
    for number, old in enumerate(before):
        new = after[number]
        title = f"{what} '{old['name']}'" if len(before) > 1 or old["name"] else f"{what} {number}"
        for field in ("name", "shape", "dtype", "scale", "zero_point"):
            was, now = (list(value) if field == "shape" else value for value in (old[field], new[field]))
            if was != now:
                yield f"{title}: {field.replace('_', ' ')} {_told(field, was)}, now {_told(field, now)}"


def _told(field: str, value: Any) -> str:
    return f"{float(value):.9g}" if field == "scale" else str(value)


def _labels(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    if before == after:
        return
    if len(before) != len(after):
        yield f"{len(before)} labels before, now {len(after)}"
        return
    place = next(index for index, label in enumerate(before) if label != after[index])
    lead = f"label {place}:"
    if sorted(before) == sorted(after):
        lead = f"the labels stand in another order, first at {place}:"
    yield f"{lead} '{before[place]}', now '{after[place]}'"


def _preprocess(old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if old is None or new is None:
        yield "preprocessing: none before, now on the device" if old is None else "preprocessing: now the application's"
        return
    first, second = old.get("steps", []), new.get("steps", [])
    for number in range(min(len(first), len(second))):
        one, other = first[number], second[number]
        if one != other:
            keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
            differ = ", ".join(f"{key} {one.get(key)}, now {other.get(key)}" for key in keys)
            yield f"preprocessing, step {number + 1} ({one.get('do')}): {differ}"
            return
    if len(first) != len(second):
        yield f"preprocessing: {len(first)} steps before, now {len(second)}"
        return
    yield f"preprocessing: {', '.join(key for key in {**old, **new} if old.get(key) != new.get(key))} changed"
