"""What the verbs' results look like: for each a JSON document and a text. Only the command line imports this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeq.cli.telling_evaluation import figures
from edgeq.host.console import table
from edgeq.units import format_bytes

if TYPE_CHECKING:
    from edgeq.build import Built
    from edgeq.check import Checked
    from edgeq.emulate import Instance
    from edgeq.interface import Array, Interface

Told = tuple[Any, str]
TOP = 3
"""Of the values of an output so many are shown."""
SHOWN = 10
"""And of the samples so many."""


def tell_targets() -> Told:
    """Every profile that can be found."""
    from edgeq.target import all_targets, broken_targets

    found = list(all_targets())
    rows = [(item.name, item.title, item.cpu.arch, format_bytes(item.ram_free_bytes), item.evidence) for item in found]
    shown = table(("target", "what", "arch", "free RAM", "evidence"), rows)
    broken = [f"left out: {error.message}" for error in broken_targets()]
    return [asdict(item) for item in found], "\n".join([shown, *([""] if broken else []), *broken])


def tell_checked(found: Sequence[Checked]) -> Told:
    """Does it fit, and what does it take."""
    documents = [_checked_document(each) for each in found]
    text = "\n\n".join(_checked_text(each) for each in found)
    return documents[0] if len(documents) == 1 else {"targets": documents}, text


def tell_matrix(found: Sequence[Checked]) -> Told:
    """One line for each target; those that fit first."""
    order = sorted(found, key=lambda each: (not each.fits, each.target))
    rows = [(each.target, "fits" if each.fits else "no", *_used(each), _reason(each)) for each in order]
    fitting = sum(each.fits for each in found)
    head = ("target", "verdict", "RAM used", "flash used", "why not")
    return {"targets": [_checked_document(each) for each in found]}, (
        f"{table(head, rows)}\n\n{fitting} of {len(found)} targets; 'edgeq check MODEL --target NAME' says more of one."
    )


def _used(found: Checked) -> tuple[str, str]:
    """The shares of RAM and flash."""
    if not found.needs:
        return "", ""
    ram, flash = (_share(found.needs[key], found.limits[key]) if key in found.needs else "" for key in ("ram", "flash"))
    return ram, flash


def _share(needed: int, limit: int) -> str:
    percent = 100 * needed / max(limit, 1)
    return f"{format_bytes(needed)} ({f'{percent:.0f}' if percent >= 1 else '<1'} %)"


def _reason(found: Checked) -> str:
    return next((finding.message for finding in found.findings if finding.severity == "error"), "")


def _checked_document(found: Checked) -> dict[str, Any]:
    return {
        "target": found.target,
        "mode": found.mode,
        "fits": found.fits,
        "needs_bytes": dict(found.needs),
        "limits_bytes": dict(found.limits),
        "findings": [asdict(finding) for finding in found.findings],
    }


def _checked_text(found: Checked) -> str:
    lines = [f"{'fits' if found.fits else 'does not fit'} {found.target}"]
    needs, limits = found.needs, found.limits
    if "arena" in needs:
        lines += [
            f"  RAM    {needs['ram']:,} of {limits['ram']:,} B: arena {needs['arena']:,} (lower bound "
            f"{needs['arena_bound']:,}); data and stack of the runtime are {needs['runtime_ram']:,}",
            f"  flash  {needs['flash']:,} of {limits['flash']:,} B in each of two slots; the firmware is "
            f"{needs['firmware']:,}",
        ]
    elif needs:
        lines.append(f"  RAM    at least {needs['ram']:,} of {limits['ram']:,} B")
    lines += [f"  {finding.severity:8} {finding.message} {finding.hint}".rstrip() for finding in found.findings]
    return "\n".join(lines)


def tell_built(built: Sequence[Built]) -> Told:
    """The bundles of one build."""
    return {"bundles": [_built_document(item) for item in built]}, "\n\n".join(_built_text(item) for item in built)


def _built_document(item: Built) -> dict[str, Any]:
    manifest = item.bundle.manifest
    return {
        "folder": str(item.bundle.folder),
        "digest": item.bundle.digest,
        **{key: manifest[key] for key in ("name", "target", "arch", "mode", "model", "golden", "evaluation")},
        "plan": manifest.get("plan"),
        "model_bytes": manifest["files"]["model.tflite"]["size"],
        "findings": [asdict(finding) for finding in item.findings],
        "waived": [{**asdict(each.finding), "waived": asdict(each.waiver)} for each in item.waived],
    }


def _built_text(item: Built) -> str:
    manifest = item.bundle.manifest
    size, macs = manifest["files"]["model.tflite"]["size"], manifest["model"]["macs"]
    golden = manifest["golden"]
    lines = [
        f"{item.bundle.folder}  ({item.bundle.digest[:12]})",
        f"  model    {manifest['mode']}, {format_bytes(size)}, {macs:,} MACs",
        f"  golden   {golden['vectors']} vectors{_from_raw(golden)}, {golden['kernels']} kernels, tolerance "
        f"{golden['tolerance']} step(s)",
    ]
    if manifest.get("plan"):
        lines.append(_plan_line(manifest))
    if manifest["evaluation"]:
        lines += figures(manifest["evaluation"], "  ")
    lines += [f"  {finding.severity:8} {finding.message}" for finding in item.findings]
    for each in item.waived:
        lines.append(f"  waived   {each.finding.message} ({each.waiver.by}: {each.waiver.reason})")
    return "\n".join(lines)


def _from_raw(golden: Mapping[str, Any]) -> str:
    return f" and {golden['raw']} from raw input" if golden.get("raw") else ""


def _plan_line(manifest: Mapping[str, Any]) -> str:
    plan, image = manifest["plan"], format_bytes(manifest["files"]["image.eqi"]["size"])
    arena, bound = plan["arena_bytes"], plan["arena_bound_bytes"]
    return f"  plan     {plan['records']} records, arena {arena:,} B (lower bound {bound:,} B), image {image}"


def tell_outputs(outputs: Sequence[Array], interface: Interface, path: Path | None, names: Sequence[str] = ()) -> Told:
    """The first outputs, with labels where there are any; `names` of the inputs where they have some."""
    names = names if len(names) == len(outputs[0]) else ()
    document = {
        "samples": len(outputs[0]),
        "outputs": [{"name": tensor.name, "shape": list(value.shape)} for tensor, value in _named(outputs, interface)],
        "labels": list(interface.labels),
        **({"inputs": list(names)} if names else {}),
        **({"file": str(path)} if path else {"values": [value.tolist() for value in outputs]}),
    }
    scores = outputs[-1].reshape(len(outputs[-1]), -1)
    labels = interface.labels
    lines = []
    for index, row in enumerate(scores[:SHOWN]):
        title = names[index] if names else f"sample {index}"
        lines.append(f"  {title}: {_highest(row, labels)}{_below(row.max(), interface)}")
    more = f"\n  ... and {len(scores) - SHOWN} more" if len(scores) > SHOWN else ""
    where = f"{len(scores)} sample{'s' * (len(scores) != 1)}" + (f", written to {path}" if path else "")
    what = "highest outputs" if scores.shape[1] > 1 else "output"
    what += f" of '{interface.outputs[-1].name}', the last of {len(outputs)}" if len(outputs) > 1 else ""
    return document, "\n".join([f"{where}; {what}:", *lines]) + more


def _highest(row: Array, labels: Sequence[str]) -> str:
    """The highest values of an output, by their labels or places; of a single value just that."""
    if len(row) == 1 and not labels:
        return f"{row[0]:.4g}"
    return ", ".join(f"{labels[i] if i < len(labels) else i} {row[i]:.4g}" for i in row.argsort()[::-1][:TOP])


def _below(score: float, interface: Interface) -> str:
    if interface.threshold is None or score >= interface.threshold:
        return ""
    return f"  (below the threshold {interface.threshold:g}: no decision)"


def _named(outputs: Sequence[Array], interface: Interface) -> list[tuple[Any, Array]]:
    return list(zip(interface.outputs, outputs, strict=True))


def instance_document(instance: Instance) -> dict[str, Any]:
    """One emulated board."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(instance).items()}
