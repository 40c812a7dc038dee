"""Tables of measurements that others have published; each names its source."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgeq.estimate.table import Key, Measured, Size, Spent, Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).with_name("published.toml")


@lru_cache(maxsize=1)
def published() -> tuple[Table, ...]:
    """Every shipped table."""
    data = tomllib.loads(FILE.read_text(encoding="utf-8"))
    models: Mapping[str, Any] = data["model"]
    return tuple(_table(table, models) for table in data["table"])


def _table(data: Mapping[str, Any], models: Mapping[str, Any]) -> Table:
    texts = {name: str(data[name]) for name in ("target", "cpu", "runtime", "version", "kernels", "mode")}
    whole = {name: 1e9 / rate for name, rate in data.get("per_second", {}).items()}
    whole |= {name: 1e3 * us for name, us in data.get("us", {}).items()}
    by_op: Mapping[str, Mapping[str, float]] = data.get("ops", {})
    measured = tuple(_measured(name, took, models[name], by_op.get(name, {}), data) for name, took in whole.items())
    return Table(str(data["name"]), Key(**texts, threads=int(data.get("threads", 1))), measured, str(data["source"]))


def _measured(
    name: str, whole: float, model: Mapping[str, Any], by_op: Mapping[str, float], data: Mapping[str, Any]
) -> Measured:
    sizes = {
        op: tuple(Size(int(macs), int(size)) for macs, size in found) for op, found in model.get("ops", {}).items()
    }
    macs = int(model["macs"]) if "macs" in model else sum(size.macs for found in sizes.values() for size in found)
    ops = tuple(Spent(op, sizes[op], 1e3 * us) for op, us in by_op.items())
    return Measured(name, macs, whole, ops, 1e3, str(data["source"]))
