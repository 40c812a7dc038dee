"""What a user should look at after a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgeq.finding import Finding

FEW_SAMPLES = 500
LOST = 0.02
"""What agreement with the float model may be missing, or accuracy, before it is worth a word."""
PARTED = 0.9
"""Less agreement between what was trained and what was written is no rounding any more."""


def findings(found: dict[str, Any], evaluation: dict[str, Any]) -> Iterator[Finding]:
    """`found` is the worker's result, `evaluation` that on the labelled set (empty without one)."""
    after = found["figures"]["after"]
    if found["kind"] == "imported":
        yield from _imported(found)
    else:
        yield from _trained(found, after)
    drop = (evaluation.get("after") or {}).get("drop")
    if drop is not None and drop > LOST:
        yield Finding(
            "qat-accuracy-drop",
            "warning",
            f"On the evaluation set {drop:.1%} of accuracy are lost against the float model.",
            "Train longer, on more samples, or keep more layers at 8 bits.",
            drop,
            LOST,
        )


def _imported(found: dict[str, Any]) -> Iterator[Finding]:
    yield Finding(
        "qat-imported",
        "info",
        f"The model was trained with quantization in mind already: {found['own_ranges']} of its own ranges were taken "
        "over, and nothing was trained.",
        actual=float(found["own_ranges"]),
    )
    observed = found["observed_ranges"]
    if observed:
        yield Finding(
            "qat-open-ranges",
            "warning",
            f"{len(observed)} tensors have no range in the model, '{observed[0]}' first; these were observed.",
            "Wrap those layers too where the model is trained.",
            float(len(observed)),
            0.0,
        )
    moved = found["moved_weights"]
    if moved:
        yield Finding(
            "qat-moved-weights",
            "warning",
            f"{len(moved)} weights are on no symmetric grid of 8 bits that the model tells, '{moved[0]}' first; they "
            "were rounded to one for each channel.",
            "Train with symmetric weights: the int8 kernels have no others.",
            float(len(moved)),
            0.0,
        )


def _trained(found: dict[str, Any], after: dict[str, Any]) -> Iterator[Finding]:
    if found["equalized"]:
        yield Finding(
            "qat-equalized",
            "info",
            "Channels of very different sizes shared a range: they were evened out before training (cross-layer "
            "equalization), which changes nothing of what the float model computes.",
        )
    before, count = found["figures"]["before"], found["samples"]["train"]
    if found["best_epoch"] == 0 and found["ended"] != "stopped":
        yield Finding(
            "qat-no-gain",
            "info",
            "No epoch was better on the held-back samples than the beginning, which was kept.",
            "Conversion alone does as well here (edgeq build --repair); or try a lower --learning-rate.",
        )
    if after["agreement"] < before["agreement"] - LOST:
        yield Finding(
            "qat-worse",
            "warning",
            f"The trained model agrees with the float one on {after['agreement']:.1%} of the held-back samples; "
            f"without training it was {before['agreement']:.1%}.",
            "Train on more samples, or with a lower --learning-rate.",
            after["agreement"],
            before["agreement"],
        )
    if after["graph_agreement"] < PARTED:
        yield Finding(
            "qat-parted",
            "warning",
            f"The written model says what the trained one says on {after['graph_agreement']:.1%} of the held-back "
            "samples only.",
            "Compare them layer by layer: edgeq sensitivity.",
            after["graph_agreement"],
            PARTED,
        )
    if count < FEW_SAMPLES:
        yield Finding(
            "qat-few-samples",
            "info",
            f"{count} samples were trained on: the model may have learned them by heart.",
            "Give more; they need no labels.",
            float(count),
            float(FEW_SAMPLES),
        )
