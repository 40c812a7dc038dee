"""Holds a JSON document from anybody to a shape before anything is read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.passport.figures import is_number


@dataclass(frozen=True)
class Maybe:
    """`shape`, or null."""

    shape: Any


@dataclass(frozen=True)
class Every:
    """A list, or an object, of which every value has `shape`; of objects every key is a text anyway."""

    kind: type
    shape: Any


NUMBER = float
"""Any finite number."""


def misfit(value: Any, shape: Any, where: str = "") -> str | None:
    """Where `value` first is not what `shape` says; None where it fits.

    A shape is a type, `NUMBER`, `Maybe`, `Every`, or a mapping of the keys that must be there to shapes; other keys may
    be there too.
    """
    if isinstance(shape, Maybe):
        return None if value is None else misfit(value, shape.shape, where)
    if isinstance(shape, Every):
        if not isinstance(value, shape.kind):
            return where
        held: Any = value
        items = held.items() if isinstance(held, Mapping) else enumerate(held)
        return _first(misfit(item, shape.shape, _inside(where, key)) for key, item in items)
    if isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            return where
        return _first(misfit(value.get(key), inner, _inside(where, key)) for key, inner in shape.items())
    if shape is NUMBER:
        return None if is_number(value) else where
    return None if isinstance(value, shape) and (shape is bool or not isinstance(value, bool)) else where


def _first(found: Any) -> str | None:
    return next((each for each in found if each is not None), None)


def _inside(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)
