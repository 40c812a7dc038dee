"""Gates: how much may be lost, by the whole set and by each slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgeq.asked import Asked
from edgeq.errors import GateFailed
from edgeq.evaluate.metrics import FRACTION


def failures(document: Mapping[str, Any], asked: Asked) -> list[str]:
    """One sentence for each gate that says no; `document` is that of an evaluation.

    A gate looks at the measured loss, not at its interval; slices that are too small to be judged pass.
    """
    return list(_failures(document, asked))


def require(document: Mapping[str, Any] | None, asked: Asked, hint: str = "") -> None:
    """`GateFailed` with the first gate that says no."""
    found = failures(document, asked) if document else []
    if found:
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise GateFailed(f"{found[0]}{more}", hint or "Repair the model, or raise the limit if that much may be lost.")


def needing_reference(asked: Asked) -> list[str]:
    """The gates that are asked for, each of which compares with a float model."""
    return [name for name in ("max_drop", "max_slice_drop") if getattr(asked, name) is not None]


def _failures(document: Mapping[str, Any], asked: Asked) -> Iterator[str]:
    points = document["unit"] == FRACTION
    if asked.max_drop is not None and document["drop"] is not None:
        yield from _over("The model", document["title"], document, asked.max_drop, points)
    if asked.max_slice_drop is None:
        return
    rows = [row for row in document["slices"] if row["judged"] and row["drop"] is not None]
    for row in sorted(rows, key=lambda row: -float(row["drop"])):
        title = document["title"] if row["metric"] == document["metric"] else row["metric"]
        of_fraction = points or row["metric"] == "accuracy"
        yield from _over(f"The slice {row['by']} '{row['slice']}'", title, row, asked.max_slice_drop, of_fraction)


def _over(what: str, title: str, row: Mapping[str, Any], limit: float, points: bool) -> Iterator[str]:
    scale, unit = (100, " points") if points else (1, "")
    drop, low, high = (scale * float(row[key]) for key in ("drop", "drop_low", "drop_high"))
    if drop > limit + 1e-9:
        yield (
            f"{what} lost {drop:.4g}{unit} of {title} on {row['samples']} samples (95 % interval {low:.3g} .. "
            f"{high:.3g}); {limit:g} may be lost."
        )
