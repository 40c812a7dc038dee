"""A recipe from a TOML file (docs/quantization.md)."""

from __future__ import annotations

import sys
from pathlib import Path

from edgeq.errors import UsageError
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.trained import read_trained

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


RANGES = "ranges.json"
"""The file beside a recipe that its trained ranges are in."""


def read_recipe(path: Path) -> Recipe:
    """With the content of the trained ranges that it names, as seen from its folder.

    `UsageError` names the file and what is wrong in it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise UsageError(f"The recipe '{path}' cannot be read: {reason}.", "Name a TOML file.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The recipe '{path}' is not TOML: {error}.", "Correct that line.") from error
    if "trained" in table:
        table["trained"] = read_trained(path.parent / _named(table["trained"], path)).to_json()
    try:
        return Recipe.from_json(table)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", error.hint) from error


def write_recipe(recipe: Recipe) -> str:
    """The text of a file that `read_recipe` reads as `recipe`; trained ranges are to lie beside it in `RANGES`."""
    told = recipe.to_json() | ({"trained": RANGES} if recipe.trained else {})
    lines = [f"{key} = {_value(value)}" for key, value in told.items() if key not in ("ranges", "override")]
    tables = [("[ranges]", told["ranges"])] if "ranges" in told else []
    tables += [("[[override]]", each) for each in told.get("override", [])]
    for title, table in tables:
        lines += ["", title, *(f"{key} = {_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _named(value: object, path: Path) -> str:
    if not isinstance(value, str):
        raise UsageError(
            f"{path}: 'trained' of a recipe's file is the name of a file.", f'For example: trained = "{RANGES}"'
        )
    return value


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)
