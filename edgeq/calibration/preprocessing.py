"""Whether the samples are what the model was trained on: their scale, their order of channels and axes.

Four kinds of evidence, strongest first: labels (the same samples, changed, are answered rightly far more often), the
answers themselves (they tell more, or with more margin), a scaling with which the model begins, and a batch norm after
the first layer, whose training left each channel near mean 0 and deviation 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from edgeq.calibration.evidence import Evidence, ModelFacts, Trial
from edgeq.calibration.hypotheses import CHANNELS, ORIENTATION, POLARITY, SCALE
from edgeq.finding import Finding

GAIN = 0.1
"""Share of the samples that must be right in addition; half of it for another order, which is a matter of yes or no."""
CHANCE = 0.005
"""How likely it may be that a change which does nothing gains so much."""
TOLD, TOLD_GAIN = 0.25, 0.35
"""Answers that tell less than this of the sample, in shares of what they could, and by how much that must grow."""
SLACK = 0.1
SURE, SURER = 1.1, 4.0
"""The factor of the margin in the median, and by how many standard errors the entropy of an answer must fall."""
ERROR = 0.25
"""An autoencoder's error after the change, in units of that before."""
LEAST = 24
OFFSET = 3.0
"""Of the first layer before its activation: the median over channels of |mean| / deviation. Trained models have less
than 1 where the data is right."""
DEVIATION = (0.1, 10.0)
"""And the median of the deviations, near 1 where the data is right."""
BEYOND = (0.01, 100.0)
"""No batch norm leaves such deviations, whatever the answers are: many models answer the same when all is larger."""
NEAR, CLOSER, FITS = 0.4, 1 / 3, 0.8
"""How far channels may be from what their batch norm left; what a change must leave of that distance, and how little.
Three models on right data: 0.1, 0.04 and 0.6, which no change brought to a third."""
RATIO = (0.55, 1.8)
"""Of the deviations, where no change comes close. Right data: 0.88 to 1.04."""
SCALED = (0.005, 20.0)
"""Behind a scaling of the model's own: the least deviation, and the most in the median. Values that were scaled before
have 0.002 at most after a division by 127.5 or 255; quiet sound in 16 bits has 0.01."""
INFORMED = 0.5
"""Answers that tell more than this show that the model understands the samples."""

_CODES = {SCALE: "scale", CHANNELS: "channels", ORIENTATION: "orientation", POLARITY: "polarity"}
_HINT = "Change [preprocess], or how the samples were saved, and check that the device does the same."


def check(evidence: Evidence) -> Iterator[Finding]:
    """Needs a model."""
    model = evidence.model
    if model is None:
        return
    labelled = evidence.calibration.labels is not None
    found = [each for each in (judge(trial, labelled, model) for trial in model.trials) if each]
    yield from found
    if not any(each.code == "scale" for each in found):
        scaled = list(by_scaling(evidence))
        yield from scaled or [*_first_layer(model), *_norm(model)]


def judge(trial: Trial, labelled: bool, model: ModelFacts) -> Finding | None:
    """A finding where the evidence carries it."""
    code = _CODES[trial.kind]
    if trial.count < LEAST:
        return None
    if model.autoencoder:
        if trial.error > ERROR or trial.surer < 0.9:
            return None
        text = f"the model's error is {trial.error:.2g} times what it is now, in the middle of {trial.count} samples"
        return Finding(code, "error", _said(trial, text), _HINT, trial.error, ERROR)
    if labelled:
        gain, least = (trial.changed - trial.as_given) / trial.count, GAIN if trial.kind == SCALE else GAIN / 2
        better = gain >= least and chance(trial.gained, trial.lost) <= CHANCE
        # Where the labels are wrong, any change may be right more often; but the answers then tell less.
        if not better or trial.told[1] < max(TOLD, trial.told[0] - SLACK):
            return None
        text = f"{trial.changed} of {trial.count} samples would be answered rightly instead of {trial.as_given}"
        return Finding(code, "error", _said(trial, text), _HINT, gain, least)
    if trial.kind == SCALE:
        before, after = trial.told
        if before > TOLD or after - before < TOLD_GAIN:
            return None
        text = f"the answers would tell {after:.0%} of what they could of the sample; as it is they tell {before:.0%}"
        return Finding(code, "error", _said(trial, text), _HINT, before, TOLD)
    if trial.margin < SURE or trial.surer < SURER:
        return None
    text = (
        f"the model would be surer: {trial.margin:.2f} times the margin in the median of {trial.count} samples, and "
        f"an entropy that is lower by {trial.surer:.1f} standard errors"
    )
    hint = f"Without labels this is a hint, no proof. {_HINT}"
    return Finding(code, "warning", _said(trial, text), hint, trial.surer, SURER)


def _said(trial: Trial, text: str) -> str:
    return _said_so(f"{trial.title}, {text}")


def _said_so(text: str) -> str:
    return f"The samples do not look like what the model was trained on: {text}."


def chance(gained: int, lost: int) -> float:
    """How likely `gained` or more of the changes are for the better where both directions are as likely."""
    count = gained + lost
    return float(sum(math.comb(count, each) for each in range(gained, count + 1)) / 2**count)


def by_scaling(evidence: Evidence) -> Iterator[Finding]:
    """By the layer with which the model itself brings its input to about 0..1, -1..1, or mean 0 and deviation 1."""
    norm, few = evidence.norm, evidence.calibration.few
    if norm is None or not norm.scaling or not few:
        return
    x = np.stack(few).astype(np.float64)
    if len(norm.multiply) not in (1, x.shape[-1]):
        return
    scaled = x * np.array(norm.multiply) + np.array(norm.add)
    deviations = scaled.reshape(-1, scaled.shape[-1]).std(axis=0)
    deviation = float(np.median(deviations[deviations > 0])) if deviations.any() else 1.0
    far = float(np.median(np.abs(scaled)))
    if SCALED[0] <= deviation and far <= SCALED[1]:
        return
    by_deviation = deviation < SCALED[0]
    yield Finding(
        "scale",
        "error",
        f"The samples do not look like what the model was trained on: its own first layer ('{norm.scaling}') is "
        f"there to make values of about 1 of its input, and of these, from {x.min():.3g} to {x.max():.3g}, it makes "
        f"{scaled.min():.3g} to {scaled.max():.3g}, with a deviation of {deviation:.2g}.",
        f"{_HINT} Such a model takes values as they were before that layer: pixels usually as 0..255.",
        deviation if by_deviation else far,
        SCALED[0 if by_deviation else 1],
    )


def _first_layer(model: ModelFacts) -> Iterator[Finding]:
    first = model.first
    if first is None or not first.normalized or first.fit is not None:
        return
    deviation = float(np.median(first.deviations))
    if BEYOND[0] <= deviation <= BEYOND[1] and model.classes and trusted(model):
        return
    offset = float(np.median(np.abs(first.means) / np.maximum(first.deviations, 1e-12)))
    if offset <= OFFSET and DEVIATION[0] <= deviation <= DEVIATION[1]:
        return
    low, high = DEVIATION
    by_offset = low <= deviation <= high
    yield Finding(
        "scale",
        "error",
        f"The samples have another scale or mean than the model was trained on: before its activation the channels of "
        f"the first layer ('{first.name}', with a batch norm) have a deviation of {deviation:.3g} and a mean of "
        f"{offset:.3g} deviations, in the median; training leaves about 1, and less than 1.",
        f"{_HINT} Values are usually 0..1, -1..1 or 0..255, or have mean 0 and deviation 1.",
        offset if by_offset else deviation,
        OFFSET if by_offset else (low if deviation < low else high),
    )


def _norm(model: ModelFacts) -> Iterator[Finding]:
    """By the batch norm itself. Answers that look right make it a warning: a norm that was trained for a few steps has
    not yet seen what the data is like."""
    first = model.first
    fit = None if first is None else first.fit
    if first is None or fit is None:
        return
    mended = fit.distance > NEAR and fit.changed < min(fit.distance * CLOSER, FITS)
    if not mended and fit.offset <= OFFSET and RATIO[0] <= fit.ratio <= RATIO[1]:
        return
    text = (
        f"before its activation the channels of the first layer ('{first.name}') have {fit.ratio:.3g} times the "
        f"deviation that its batch norm left in training, in the median, and means that are off by {fit.offset:.3g} "
        f"deviations"
    )
    if mended:
        closer = fit.distance / max(fit.changed, 1e-9)
        message = _said_so(f"{fit.title}, they would be {closer:.0f} times closer; {text}")
    else:
        message = f"The samples have another scale or mean than the model was trained on: {text}."
    plausible = BEYOND[0] <= fit.ratio <= BEYOND[1] and model.classes and trusted(model)
    severity = "warning" if plausible else "error"
    yield Finding("scale", severity, message, _HINT, fit.distance, NEAR)


def trusted(model: ModelFacts) -> bool:
    """Whether the answers differ enough between samples to show that the model understands them."""
    from edgeq.calibration.trials import told

    return len(model.answers) >= LEAST and told(model.answers) > INFORMED
