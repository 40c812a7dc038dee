"""Does a model fit a target, and why not: findings, each with a code, figures and advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.errors import ConvertError, FitError
from edgeq.finding import Finding, ordered
from edgeq.micro.frontend.lower import lower
from edgeq.micro.graph import Tensor
from edgeq.model.tflite import ModelInfo
from edgeq.preprocess import Preprocess
from edgeq.runtimes.resolve import PUSH, candidates, of_target, resolve
from edgeq.target import TargetProfile
from edgeq.units import format_bytes

MODE = "static_wi8_ai8"
MIXED = "mixed"
"""The mode of a model that was quantized elsewhere, in several modes at once."""
STAND_IN_SCALES = (1.0, 2.0**-12, 2.0**12)
"""The model's own scale is not known before it is converted: what none of these allows, none does."""
SECTOR_BYTES = 4096
"""Of flash without a map."""


def check(model: ModelInfo, target: TargetProfile, mode: str = MODE) -> list[Finding]:
    """Everything to say about `model` on `target`, errors first; empty where it simply fits.

    What a microcontroller needs is known once the model is planned: see `check_plan`.
    """
    memory = [] if target.kind == "mcu" else _memory(model, target)
    findings = [*precheck(target, mode), *_operators(model, target), *memory, *_accelerators(model, target, mode)]
    return ordered([*findings, *_signatures(model)])


def precheck(target: TargetProfile, mode: str = MODE) -> list[Finding]:
    """What can be said before there is a model."""
    return [*_mode(target, mode), *_runtime(target)]


def precheck_steps(preprocess: Preprocess | None, shape: Sequence[int], target: TargetProfile) -> list[Finding]:
    """An error where a microcontroller cannot do a step of [preprocess], asked before there is a model.

    `shape` is that of one sample as the model's input, without batch: what `preprocess` makes of the first one.
    """
    if preprocess is None or target.kind != "mcu":
        return []
    refusals = [_refusal(preprocess, (1, *shape), scale) for scale in STAND_IN_SCALES]
    refused = refusals[0]
    return [Finding("preprocess", "error", refused.message, refused.hint)] if refused and all(refusals) else []


def _refusal(preprocess: Preprocess, shape: tuple[int, ...], scale: float) -> ConvertError | None:
    """Why no front end fills an int8 input of that scale."""
    stand_in = Tensor("input", shape, "int8", (scale,), (0,), 0, 0, False, index=0, data=None)
    try:
        lower(preprocess, stand_in)
    except ConvertError as error:
        return error
    return None


@dataclass(frozen=True)
class Footprint:
    """What a model takes on a microcontroller, in bytes. `runtime_ram_bytes` is the runtime's data and deepest stack,
    `firmware_bytes` the flash of everything that is not the model; `measured_on` names the port that both were measured
    on, another one where the target's own was not."""

    arena_bytes: int
    image_bytes: int
    runtime_ram_bytes: int
    firmware_bytes: int
    measured_on: str = ""


def check_plan(needs: Footprint, target: TargetProfile) -> list[Finding]:
    """Errors where a planned model exceeds the RAM or a slot of the flash of a microcontroller."""
    ram, slot = ram_bytes(needs, target), slot_bytes(needs, target)
    excesses = [
        Finding(
            code,
            "error",
            f"The model needs {format_bytes(needed)} of {what}; {target.name} has {format_bytes(max(limit, 0))}.",
            "Use a smaller model or input, or a board with more memory.",
            needed,
            limit,
        )
        for code, what, needed, limit in (
            ("ram", "RAM", ram, target.ram_free_bytes),
            ("arena", "RAM in one piece for the arena", needs.arena_bytes, target.arena_limit_bytes),
            ("flash", "flash for one of two slots", needs.image_bytes, slot),
        )
        if needed > limit
    ]
    return [*excesses, *([] if needs.measured_on == target.port else [_unmeasured(needs, target)])]


def ram_bytes(needs: Footprint, target: TargetProfile) -> int:
    """What the model takes of the free RAM: its arena, and the runtime unless that is among what is reserved."""
    return needs.arena_bytes + (0 if target.memory.firmware_apart else needs.runtime_ram_bytes)


def slot_bytes(needs: Footprint, target: TargetProfile) -> int:
    """The largest image: a device keeps two slots, each with a sector for the manifest, and a log of two sectors."""
    if target.memory.firmware_apart:
        return target.flash_free_bytes
    sectors = [region.sector_bytes for region in target.memory.flash] or [SECTOR_BYTES]
    free = target.flash_free_bytes - needs.firmware_bytes - 2 * min(sectors)
    return free // 2 // max(sectors) * max(sectors) - min(sectors)


def _unmeasured(needs: Footprint, target: TargetProfile) -> Finding:
    return Finding(
        "firmware-size",
        "info",
        f"Estimated: the firmware's {format_bytes(needs.firmware_bytes)} of flash were measured on "
        f"{needs.measured_on}, not on {target.name}; what its drivers take of the RAM is not counted.",
        f"'edgeq firmware size --target {target.name}' measures it, where there is a port." if target.port else "",
    )


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


def _runtime(target: TargetProfile) -> list[Finding]:
    """An error where no runtime of the profile can work on its system; a note where another one would have to."""
    verdicts = resolve(of_target(target), candidates(target))
    if verdicts[0].works:
        return []
    message = f"{verdicts[0].runtime} cannot run on {target.name}: {verdicts[0].reason}."
    others = ", ".join(verdict.runtime for verdict in verdicts[1:] if verdict.answer == PUSH)
    hint = f"A profile with {others} would work." if others else verdicts[0].hint
    return [Finding("runtime", "error", message, hint)]


def _mode(target: TargetProfile, mode: str) -> list[Finding]:
    # Of a mixed model only the runtime itself can tell: the one that plans it, or the one that has kernels for floats.
    judged_later = "float32" in target.runtime.modes or target.kind == "mcu"
    if mode in target.runtime.modes or (mode == MIXED and judged_later):
        return []
    allowed = ", ".join(target.runtime.modes)
    message = f"{target.runtime.name} on {target.name} runs {allowed}, not {mode}."
    return [Finding("mode", "error", message, f"Build with --mode {target.runtime.modes[0]}.")]


def _signatures(model: ModelInfo) -> list[Finding]:
    """A warning where the file has more ways to call the model than the one that is taken."""
    if not model.unused_signatures:
        return []
    names = [name for name, graph in model.signatures if not graph]
    taken = f"'{names[0]}' is taken" if names else "the first graph is taken, which has none"
    others = ", ".join(f"'{name}'" for name in model.unused_signatures[:5])
    message = f"The model has {len(model.signatures)} signatures; {taken}, and {others} left out."
    return [Finding("signature", "warning", message, "Save the one that is meant as a model of its own.")]


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
