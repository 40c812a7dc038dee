"""Does a model fit a target, and why not: findings, each with a code, figures and advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.errors import FitError
from edgeq.model.tflite import ModelInfo
from edgeq.target import TargetProfile
from edgeq.units import format_bytes

SEVERITIES = ("error", "warning", "info")
MODE = "static_wi8_ai8"
MIXED = "mixed"
"""The mode of a model that was quantized elsewhere, in several modes at once."""


@dataclass(frozen=True)
class Finding:
    """One answer about a model. `actual` and `limit` are in the unit that the message names, or None."""

    code: str
    severity: str
    message: str
    hint: str = ""
    actual: float | None = None
    limit: float | None = None


def check(model: ModelInfo, target: TargetProfile, mode: str = MODE) -> list[Finding]:
    """Everything to say about `model` on `target`, errors first; empty where it simply fits.

    What a microcontroller needs is known once the model is planned: see `check_plan`.
    """
    memory = [] if target.kind == "mcu" else _memory(model, target)
    findings = [*precheck(target, mode), *_operators(model, target), *memory, *_accelerators(model, target, mode)]
    return ordered(findings)


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Errors first."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def precheck(target: TargetProfile, mode: str = MODE) -> list[Finding]:
    """What can be said before there is a model."""
    return _mode(target, mode)


@dataclass(frozen=True)
class Footprint:
    """What a model takes on a microcontroller, in bytes. `runtime_ram_bytes` is the runtime's data and deepest stack,
    `firmware_bytes` the flash of everything that is not the model."""

    arena_bytes: int
    image_bytes: int
    runtime_ram_bytes: int
    firmware_bytes: int


def check_plan(needs: Footprint, target: TargetProfile) -> list[Finding]:
    """Errors where a planned model exceeds the RAM or the flash of a microcontroller."""
    ram, flash = needs.arena_bytes + needs.runtime_ram_bytes, needs.image_bytes + needs.firmware_bytes
    unmeasured = Finding(
        "firmware-size",
        "warning",
        f"What the firmware takes on {target.name} was not measured: RAM and flash are the model's alone.",
        f"'edgeq firmware size --target {target.name}' measures it, where there is a port.",
    )
    return [
        *([] if needs.firmware_bytes else [unmeasured]),
        *_excesses(needs, target, ram, flash),
    ]


def _excesses(needs: Footprint, target: TargetProfile, ram: int, flash: int) -> list[Finding]:
    return [
        Finding(
            code,
            "error",
            f"The model needs {format_bytes(needed)} of {what}; {target.name} has {format_bytes(limit)}.",
            "Use a smaller model or input, or a board with more memory.",
            needed,
            limit,
        )
        for code, what, needed, limit in (
            ("ram", "RAM (arena, runtime and stack)", ram, target.ram_free_bytes),
            ("arena", "RAM in one piece for the arena", needs.arena_bytes, target.arena_limit_bytes),
            ("flash", "flash (image and firmware)", flash, target.flash_free_bytes),
        )
        if needed > limit
    ]


def same_runtime(made_with: str, target: TargetProfile) -> list[Finding]:
    """A warning where golden vectors were made with another runtime (`name version`) than the target's."""
    runs = f"{target.runtime.name} {target.runtime.version}"
    if made_with == runs:
        return []
    message = f"The golden vectors were made with {made_with}; {target.name} runs {runs}, whose kernels may differ."
    return [Finding("other-runtime", "warning", message, f"pip install '{runs.replace(' ', '==')}' and build again.")]


def require(findings: Sequence[Finding], target: TargetProfile) -> None:
    """`FitError` with the first error among `findings`, carrying all of them; nothing where there is no error."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        raise FitError(f"The model does not fit {target.name}: {errors[0].message}{more}", errors[0].hint, findings)


def data_notes(notes: Sequence[str]) -> list[Finding]:
    """What was noticed while the data was opened."""
    return [Finding("data", "warning", note) for note in notes]


def _mode(target: TargetProfile, mode: str) -> list[Finding]:
    if mode in target.runtime.modes or (mode == MIXED and "float32" in target.runtime.modes):
        return []
    allowed = ", ".join(target.runtime.modes)
    message = f"{target.runtime.name} on {target.name} runs {allowed}, not {mode}."
    return [Finding("mode", "error", message, f"Build with --mode {target.runtime.modes[0]}.")]


def _operators(model: ModelInfo, target: TargetProfile) -> list[Finding]:
    """Operators that the target's runtime does not know."""
    runtime, findings = target.runtime, []
    for name, count in model.op_counts().items():
        custom = name.startswith("CUSTOM")
        if custom or name in runtime.unsupported:
            title = name.partition(":")[2] or name
            why = f"is not part of {runtime.name}" if custom else f"does not run on {runtime.name} {runtime.version}"
            hint = "Replace the layer behind it with one that converts to builtin operators."
            code = "custom-operator" if custom else "operator"
            findings.append(Finding(code, "error", f"The operator {title} {why}.", hint, count, 0))
    return findings


def _accelerators(model: ModelInfo, target: TargetProfile, mode: str) -> list[Finding]:
    """How much of the model each accelerator would take, where a source lists its operators; the rest falls back."""
    findings = []
    for unit in target.accelerators:
        if unit.delegate == "none":
            continue
        name, hint = f"{unit.name} ({unit.kind}, delegate {unit.delegate})", ""
        if mode not in unit.modes:
            text = f"{name} does not take {mode} models; they run on the CPU."
            hint = f"It takes {', '.join(unit.modes)}." if unit.modes else ""
        elif not unit.operators:
            text = f"{name}: no source lists its operators, so whether it takes the model is unknown."
        else:
            counts = model.op_counts()
            rest = sorted(name for name in counts if name not in unit.operators)
            taken, total = sum(counts[name] for name in counts if name not in rest), sum(counts.values())
            text = f"{name} takes {taken} of {total} operators"
            text += f"; {', '.join(rest)} fall{'s' * (len(rest) == 1)} back to the CPU." if rest else "."
        findings.append(Finding("delegate", "info", text, hint))
    return findings


def linux_ram_bytes(model: ModelInfo) -> int:
    """The least RAM: the file, its weights once more as the runtime packs them, the tensors of the largest operator."""
    return model.size_bytes + model.weights_bytes + model.largest_activations_bytes()


def _memory(model: ModelInfo, target: TargetProfile) -> list[Finding]:
    needed, free = linux_ram_bytes(model), target.ram_free_bytes
    if needed <= free // 2:
        return []
    severity, verb = ("error", "needs") if needed > free else ("warning", "may get tight: it needs")
    return [
        Finding(
            "memory",
            severity,
            f"The model {verb} at least {format_bytes(needed)} of RAM; {target.name} has {format_bytes(free)} free.",
            "Use a smaller model or input, or a profile that describes a board with more memory.",
            needed,
            free,
        )
    ]
