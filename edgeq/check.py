"""The verb `check`: does a model fit a target, and what does it take there. Converts nothing and needs no device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeq import fit
from edgeq.errors import ConvertError, UsageError
from edgeq.fit import Finding
from edgeq.micro.compile import compile_model
from edgeq.micro.footprint import footprint
from edgeq.model.tflite import read_model
from edgeq.quantize.convert import quantized_already
from edgeq.target import TargetProfile


@dataclass(frozen=True)
class Checked:
    """`needs` are bytes by what they are for, on a microcontroller; `findings` are those of `edgeq.fit`."""

    target: str
    needs: Mapping[str, int]
    limits: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)


def check(model: Path, target: TargetProfile) -> Checked:
    """Judge a `.tflite` model; an operator that the runtime lacks is a finding that names it.

    `UsageError` for another kind of file, `ArtifactError` for a damaged one.
    """
    if not model.is_file() or model.suffix != ".tflite":
        raise UsageError(
            f"'{model}' is not a .tflite file.", "Check what was built: the model.tflite of a bundle, or your own."
        )
    if target.kind == "mcu":
        return _on_microcontroller(model, target)
    findings = fit.check(read_model(model.read_bytes()), target)
    return Checked(target.name, {}, {"ram": target.ram_free_bytes}, tuple(findings))


def _on_microcontroller(model: Path, target: TargetProfile) -> Checked:
    """Plan the model; the firmware's part is what `edgeq firmware size` measured."""
    limits = {"ram": target.ram_free_bytes, "flash": target.memory.flash_bytes}
    data = quantized_already(model)
    if data is None:
        message, hint = f"{target.name} runs full-integer models.", "Build it: edgeq build --target, with --data."
        return Checked(target.name, {}, limits, (Finding("not-integer", "error", message, hint),))
    findings = fit.check(read_model(data), target)
    try:
        planned = compile_model(data)
    except ConvertError as error:
        return Checked(target.name, {}, limits, (*findings, Finding("plan", "error", error.message, error.hint)))
    takes = footprint(planned, target.port)
    needs = {
        "arena": takes.arena_bytes,
        "arena_bound": planned.arena.bound,
        "runtime_ram": takes.runtime_ram_bytes,
        "image": takes.image_bytes,
        "firmware": takes.firmware_bytes,
    }
    return Checked(target.name, needs, limits, (*findings, *fit.check_plan(takes, target)))
