"""Published schemas of the files that edgeq writes (JSON Schema, draft 2020-12): one `<name>.schema.json` each."""

from __future__ import annotations

import difflib
from pathlib import Path

from edgeq.errors import UsageError

SUFFIX = ".schema.json"


def names() -> list[str]:
    """Every schema that there is."""
    return sorted(path.name.removesuffix(SUFFIX) for path in Path(__file__).parent.glob(f"*{SUFFIX}"))


def schema(name: str) -> str:
    """The text of one schema."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1, 0.5)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise UsageError(f"There is no schema '{name}'.", f"{hint}Known are {', '.join(names())}.")
    return (Path(__file__).parent / f"{name}{SUFFIX}").read_text(encoding="utf-8")
