"""What `bench --accuracy` adds: a labelled set through the device before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeq.cli.base import console
from edgeq.errors import UsageError
from edgeq.units import format_percent, three_digits

if TYPE_CHECKING:
    from edgeq.correctness.unfinished import Partials
    from edgeq.device.device import Device
    from edgeq.project import DeviceEntry, Project
    from edgeq.run import Run

Document = Mapping[str, Any]
SHOWN = 5


@dataclass(frozen=True)
class Labelled:
    """What was asked for: labelled samples (empty: none), how many of them (0: all), and the bundle or None."""

    data: str
    limit: int = 0
    bundle: Path | None = None

    def check(self, sweep: Sequence[tuple[int, str]], per_op: bool = False) -> None:
        """`UsageError` where it does not go with the rest; with `per_op` the bundle names the ops of the model."""
        if not self.data and (self.limit or (self.bundle and not per_op)):
            raise UsageError(
                "--limit belongs to --accuracy, --bundle to --accuracy or --profile.", "Give --accuracy DATA, too."
            )
        if self.data and (len(sweep) > 1 or sweep[0][1]):
            raise UsageError(
                "Accuracy is that of the release as it serves, with its own delegate.",
                "Leave --delegate and lists of threads away, or bench without --accuracy.",
            )

    def explained(self, device: Device, project: Project, entry: DeviceEntry) -> AbstractContextManager[None]:
        """Where golden vectors fail meanwhile, the error says at which operator."""
        from edgeq.cli.profiling import bundles_of
        from edgeq.explained import explained

        return explained(device, self.bundle, bundles_of(project, entry), console.progress)

    def beside(self, folder: Path) -> Partials | None:
        """Where what the device said stays until a run has it; None where nobody asked."""
        if not self.data:
            return None
        from edgeq.correctness.unfinished import Partials

        return Partials(folder)

    def measure(self, device: Device, project: Project, entry: DeviceEntry, beside: Partials | None) -> Document | None:
        """The document `Run.correctness`; None where nobody asked. What the device said stays with `beside`."""
        if not self.data:
            return None
        from edgeq.cli.profiling import bundles_of
        from edgeq.correctness import correctness

        return correctness(
            device,
            self.data,
            bundle=self.bundle,
            among=bundles_of(project, entry),
            asked=project.evaluation,
            limit=self.limit,
            folder=project.root,
            beside=beside,
            progress=console.progress,
        )


def kept(run: Run, document: Document | None) -> Run:
    """The run with its document, judged with it."""
    if document is None:
        return run
    from edgeq.correctness import with_correctness

    return with_correctness(run, document)


def tell_accuracy(document: Document | None, told: Any, text: str) -> tuple[Any, str]:
    """What `bench` says, with the accuracy before it."""
    return told, text if document is None else "\n".join([*accuracy_lines(document), text])


def accuracy_lines(found: Document) -> list[str]:
    """The metric on the device beside the host's, and how equal both are."""
    unit = found["unit"]
    of = f" of {found['of']}" if found["samples"] < found["of"] else ""
    interval = f"{_told(found['low'], unit)} to {_told(found['high'], unit)}"
    lines = [
        f"{found['title']} on the device {_told(found['value'], unit)} "
        f"({found['confidence']:.0%} interval {interval}), "
        f"on this machine {_told(found['reference'], unit)}, {found['samples']}{of} samples of {found['data']}"
        f"{_preprocessed(found)}"
    ]
    if found.get("steps_here"):
        lines.append(f"  behind the steps as this machine computes them {_told(found['steps_here']['value'], unit)}")
    same = f"  outputs equal bit by bit: {format_percent(found['identical'])} of the samples"
    if found["parted"] is not None:
        same += f"; another class: {found['parted']}"
    steps = found["allowed_steps"]
    allowed = f"apart by more than {steps} output step{'s' * (steps != 1)}" if steps else "not equal, as they should be"
    lines.append(f"{same}; {allowed}: {found['beyond']}")
    lines += [f"  {_sample(row)}" for row in found["differing"][:SHOWN]]
    more = max(found["beyond"], found["parted"] or 0) - min(SHOWN, len(found["differing"]))
    # Those that are apart and those that are decided otherwise may be the same samples, or not.
    least = "at least " if found["beyond"] and found["parted"] else ""
    return [*lines, f"  and {least}{more} more, the first of them in the run"] if more > 0 else lines


def _preprocessed(found: Document) -> str:
    """Where raw inputs were preprocessed; empty where there was nothing to do."""
    return {"device": ", preprocessed there", "host": ", preprocessed on this machine"}.get(
        str(found.get("preprocessed")), ""
    )


def _sample(row: Document) -> str:
    steps = "no number" if row["steps"] is None else f"{row['steps']:g} steps apart"
    classes = f": class {row['device']} on the device, {row['host']} here" if "device" in row else ""
    return f"{row['sample']}: {steps}{classes}"


def _told(value: float | None, unit: str) -> str:
    if value is None:
        return "undefined"
    return format_percent(value) if unit == "fraction" else f"{three_digits(value)} {unit}".strip()
