"""The verb `check`: does a model fit a target, what does it take there, and what would make it fit. Needs no device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeq import fit
from edgeq.building.candidate import Candidate
from edgeq.errors import ConvertError
from edgeq.finding import Finding, ordered
from edgeq.micro.compile import Compiled
from edgeq.micro.footprint import footprint
from edgeq.micro.peak import peak
from edgeq.model.info import ModelInfo
from edgeq.preprocess import PreprocessError
from edgeq.preprocess.fill import check_could_fill
from edgeq.quantize.host import MICRO
from edgeq.target import TargetProfile


@dataclass(frozen=True)
class Checked:
    """`needs` and `limits` are bytes by what they are for; `findings` are those of `edgeq.fit`, errors first."""

    target: str
    mode: str
    needs: Mapping[str, int]
    limits: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)


def check(model: Candidate, target: TargetProfile) -> Checked:
    """Judge a model on one target; an operator that the runtime lacks is a finding that names it."""
    findings = fit.check(model.info, target, model.mode)
    if model.trial:
        findings.append(
            Finding(
                "trial", "info", "Converted for this look with ranges from noise: sizes are right, accuracy is not."
            )
        )
    if target.kind != "mcu":
        findings += _steps(model)
        if target.runtime.kernels == MICRO and isinstance(model.planned, ConvertError):
            findings.append(Finding("plan", "error", model.planned.message, model.planned.hint))
        needs = {"ram": fit.linux_ram_bytes(model.info)}
        return Checked(target.name, model.mode, needs, {"ram": target.ram_free_bytes}, tuple(ordered(findings)))
    return _on_microcontroller(model, target, findings)


def check_all(model: Candidate, targets: Sequence[TargetProfile]) -> list[Checked]:
    """The verdict on each target."""
    return [check(model, target) for target in targets]


def with_alternatives(found: Checked, model: Candidate, targets: Sequence[TargetProfile]) -> Checked:
    """Where a model does not fit: on which of `targets` it does, as one more finding."""
    if found.fits:
        return found
    fitting = [each.target for each in check_all(model, targets) if each.fits]
    text = f"It fits {', '.join(fitting)}." if fitting else "It fits none of the targets that are known here."
    return replace(found, findings=(*found.findings, Finding("alternatives", "info", text)))


def _steps(model: Candidate) -> list[Finding]:
    """An error where [preprocess] cannot fill the model's input; on a microcontroller the plan says so."""
    if model.preprocess is None or len(model.info.inputs) != 1:
        return []
    try:
        check_could_fill(model.preprocess, model.info.inputs[0].shape)
    except PreprocessError as error:
        return [Finding("preprocess", "error", error.message, error.hint)]
    return []


def _on_microcontroller(model: Candidate, target: TargetProfile, findings: list[Finding]) -> Checked:
    """Plan the model; the firmware's part is what `edgeq firmware size` measured."""
    limits = {"ram": min(target.ram_free_bytes, target.arena_limit_bytes)}
    if any(finding.code == "mode" for finding in findings):
        return Checked(target.name, model.mode, {}, limits, tuple(findings))
    planned = model.preprocessed
    if isinstance(planned, ConvertError):
        findings.append(Finding("plan", "error", planned.message, planned.hint))
        return Checked(target.name, model.mode, {}, limits, tuple(ordered(findings)))
    takes = footprint(planned, target.port)
    limits["flash"] = fit.slot_bytes(takes, target)
    needs = {
        "ram": fit.ram_bytes(takes, target),
        "flash": takes.image_bytes,
        "arena": takes.arena_bytes,
        "arena_bound": planned.arena.bound,
        "runtime_ram": takes.runtime_ram_bytes,
        "image": takes.image_bytes,
        "firmware": takes.firmware_bytes,
    }
    findings += [_explained(finding, planned, model.info) for finding in fit.check_plan(takes, target)]
    return Checked(target.name, model.mode, needs, limits, tuple(ordered(findings)))


def _explained(finding: Finding, planned: Compiled, info: ModelInfo) -> Finding:
    """What takes the memory that is missing."""
    most = peak(planned)
    if finding.severity != "error" or finding.actual is None or finding.limit is None:
        return finding
    over = f"It is {finding.actual - finding.limit:,.0f} B too much: "
    if finding.code in ("ram", "arena") and most:
        return replace(finding, hint=over + most.told() + ". " + finding.hint)
    if finding.code == "flash":
        largest = max(info.subgraphs[0].tensors, key=lambda tensor: tensor.data_bytes)
        told = f"the largest weights are '{largest.name}' with {largest.data_bytes:,} B. "
        return replace(finding, hint=over + told + finding.hint)
    return finding
