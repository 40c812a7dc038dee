"""What a training looks like when it is over."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgeq.host.console import table
from edgeq.units import format_bytes

if TYPE_CHECKING:
    from edgeq.finetune.finetune import Finetuned

_ROWS = (
    ("float", "float"),
    ("before", "quantized without training"),
    ("graph", "as it was trained"),
    ("after", "quantized after training"),
)
_ENDED = {"epochs": "", "minutes": " The minutes were over.", "stopped": " It was stopped."}


def tell_finetuned(found: Finetuned, targets: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """The document and the text: what was trained, how each model does, how it is built for `targets`."""
    summary = found.summary
    lines = [
        _headline(summary),
        "",
        table(("", "accuracy", "agrees with float", "SQNR dB", "size"), _rows(summary)),
        "",
    ]
    for name, document in summary["evaluation"].items():
        drop, low, high = (document[key] * 100 for key in ("drop", "drop_low", "drop_high"))
        lines.append(
            f"On the evaluation set ({document['samples']} samples), {name}: {document['accuracy']:.1%}, "
            f"{drop:+.1f} points lost against float (95 %: {low:+.1f} .. {high:+.1f})."
        )
    for finding in found.findings:
        lines.append(f"{finding.severity}: {finding.message} {finding.hint}".rstrip())
    command = _build(found, targets)
    lines += [
        f"{found.folder}: model.tflite, the float model that it was written from, ranges.json, recipe.toml, "
        "history.json. A bundle of it:",
        f"  {command}",
    ]
    return {"folder": str(found.folder), "build": command, **summary}, "\n".join(lines)


def _build(found: Finetuned, targets: Sequence[str]) -> str:
    """The command that gives the very model in a bundle."""
    words = ["edgeq", "build", str(found.float_model), "--recipe", str(found.folder / "recipe.toml")]
    words += [word for name in targets or ("rpi4",) for word in ("--target", name)]
    for name in ("data", "eval", "labels"):
        words += [f"--{name}", found.summary[name]] if found.summary[name] else []
    return shlex.join(words)


def _headline(summary: dict[str, Any]) -> str:
    samples, mode = summary["samples"], summary["recipe"]["mode"]
    if summary["kind"] == "imported":
        return f"{mode}, with the model's own ranges; compared on {samples['held_back']} samples (on this machine):"
    how = "labels and the float model's answers" if summary["labelled"] else "the float model's answers"
    return (
        f"{mode}, trained on {samples['train']} samples to {how}; epoch {summary['best_epoch']} is the best on "
        f"{samples['held_back']} held-back samples (on this machine).{_ENDED[summary['ended']]}"
    )


def _rows(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for key, title in _ROWS:
        figures, size = summary["figures"].get(key), summary["bytes"].get(key)
        if figures is not None:
            accuracy = "" if figures["accuracy"] is None else f"{figures['accuracy']:.1%}"
            noise = "" if key == "float" else f"{figures['sqnr_db']:.1f}"
            shown = "" if size is None else format_bytes(size)
            rows.append((title, accuracy, f"{figures['agreement']:.1%}", noise, shown))
    return rows
