"""What a classifier answers: always the same, other classes than the labels say, or the labels' classes in disorder."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from edgeq.calibration.evidence import Evidence, ModelFacts, Numbers
from edgeq.calibration.trials import told
from edgeq.finding import Finding

LEAST = 32
TELLS = 0.2
"""Answers that tell less than this of the sample, in shares of what they could."""
VARIED = 0.4
"""Answers that tell more than this are no guesses."""
REORDERED = 0.2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Needs a classifier; that answers are always the same is told of three or more classes."""
    model, facts = evidence.model, evidence.calibration
    if model is None or model.classes < 2 or len(facts) < LEAST:
        return
    tells, labels = told(model.answers), facts.labels
    got = model.answers.argmax(axis=1)
    if model.classes > 2 and tells < TELLS and (labels is None or len(np.unique(labels)) > 1):
        most = int(np.bincount(got).max())
        yield Finding(
            "answers",
            "warning",
            f"The float model says nearly the same of all samples ({most} of {len(got)} times one class): its answers "
            f"tell {tells:.0%} of what they could.",
            "Either the samples are of one class, or their preprocessing is not what the model was trained on.",
            tells,
            TELLS,
        )
    if labels is not None and tells > VARIED:
        yield from _labels(evidence, model, labels, got)


def _labels(evidence: Evidence, model: ModelFacts, labels: Numbers, got: Numbers) -> Iterator[Finding]:
    count, right = len(labels), float((got == labels).mean())
    classes = np.unique(labels)
    mostly = np.array([np.bincount(got[labels == number]).argmax() for number in classes])
    then = float((mostly[np.searchsorted(classes, labels)] == got).mean())
    facts = evidence.calibration
    if len(set(mostly)) == len(classes) and (mostly != classes).any() and then >= right + REORDERED:
        place = int((mostly != classes).argmax())
        yield Finding(
            "labels-order",
            "warning",
            f"The labels of '{facts.spec}' are not in the order of the model's outputs: of '"
            f"{facts.class_name(int(classes[place]))}' it mostly says '{facts.class_name(int(mostly[place]))}'; "
            f"numbered as it answers, {then:.0%} of the samples would be right instead of {right:.0%}.",
            "Give the labels file in the order that the model was trained with.",
            then - right,
            REORDERED,
        )
        return
    shares = np.bincount(labels, minlength=model.classes)[: model.classes] / count
    said = np.bincount(got, minlength=model.classes)[: model.classes] / count
    guess = float((shares * said).sum())
    limit = guess + 3 * math.sqrt(guess * (1 - guess) / count) + 0.02
    if right <= limit and len(classes) > min(2, model.classes - 1):
        yield Finding(
            "labels-disagree",
            "warning",
            f"The labels of '{facts.spec}' have nothing to do with what the float model says: {right:.0%} of "
            f"{count} samples are right, and guessing would give up to {limit:.0%}.",
            "Check that labels and samples belong together (a shuffled file?), and that the model is the right one.",
            right,
            limit,
        )
