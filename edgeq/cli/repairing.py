"""What `edgeq build --repair` does first, and shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.cli.base import Given, console

if TYPE_CHECKING:
    from edgeq.building.materials import Declared
    from edgeq.quantize.recipe import Recipe
    from edgeq.repair import Repaired


def repair_told(given: Given, said: Declared, recipe: Recipe | None, folder: Path) -> Repaired:
    """The recipe that measures better, with progress."""
    from edgeq.repair import repair

    return repair(
        given.model,
        given.data,
        declared=said,
        recipe=recipe,
        samples=given.samples,
        folder=folder,
        progress=console.progress,
    )


def keep(found: Repaired, bundles: Sequence[Path]) -> None:
    """The evidence beside each bundle, and not in it: the recipe that was found is what makes the bundle."""
    for bundle in bundles:
        text = json.dumps(found.document, indent=1) + "\n"
        (bundle.parent / f"{bundle.name}.repair.json").write_text(text, encoding="utf-8")


def tell_repair(found: Repaired) -> str:
    """What was kept, and what it gained."""
    evidence = found.evidence
    if not evidence["trials"]:
        return f"repair: {evidence['samples']} samples are too few to hold any back; nothing was tried."
    lines = [
        f"repair: {evidence['before_db']:.1f} -> {evidence['after_db']:.1f} dB at the answers before a softmax, on "
        f"parts of {evidence['samples']} calibration samples that were held back in turn (measured on this machine)"
    ]
    lines += [
        f"  kept     {trial['what']}: {trial['before_db']:.1f} -> {trial['after_db']:.1f} dB"
        f"{'' if trial['after_db'] > trial['before_db'] else '; so few samples cannot judge it; it gains as a rule'}"
        for trial in found.kept
    ]
    dropped = [trial["what"] for trial in evidence["trials"] if not trial["kept"]]
    lines += [f"  no gain  {', '.join(dropped)}"] if dropped else []
    if left := evidence["left_out"]:
        lines.append(f"  outliers {', '.join(left[:8])}{' ...' if len(left) > 8 else ''}: not like the other samples")
    return "\n".join(lines)
