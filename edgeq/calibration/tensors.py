"""What the set does to each tensor: a range from one sample, a tensor or channels that nothing moves."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.calibration.evidence import Evidence, ModelFacts, TensorUse, told
from edgeq.finding import Finding

ALONE = 2.0
"""The factor by which one sample may widen a tensor's range."""
DEAD = 0.5
"""Share of a layer's channels that may stay at 0 for all samples."""
USED = 1 / 8
"""Share of a range below which 99.9 % of the values lie: 32 of 256 steps."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Needs a model."""
    model = evidence.model
    if model is None or len(evidence.calibration) < 2:
        return
    yield from _alone(evidence, model)
    still = [each for each in model.tensors if each.low == each.high]
    if still:
        yield Finding(
            "still-tensor",
            "warning",
            f"{len(still)} of {len(model.tensors)} tensors {'has' if len(still) == 1 else 'have'} the same value for "
            f"all samples: {told([each.name for each in still])}.",
            "The samples do not reach that part of the model, or their scale is not what it was trained on.",
            len(still),
            0,
        )
    dead = [each for each in model.tensors if each.dead > DEAD and each not in still]
    if dead:
        worst = max(dead, key=lambda each: each.dead)
        yield Finding(
            "dead-channels",
            "warning",
            f"In {len(dead)} of {len(model.tensors)} tensors more than half of the channels stay at 0 for all samples; "
            f"in '{worst.name}' {worst.dead:.0%} do.",
            "Compare the scale and the mean of the samples with what the model was trained on.",
            worst.dead,
            DEAD,
        )
    wasted = [each for each in model.tensors if each.used < USED]
    if wasted:
        worst = min(wasted, key=lambda each: each.used)
        yield Finding(
            "wasted-range",
            "info",
            f"In {len(wasted)} of {len(model.tensors)} tensors 99.9 % of the values lie in less than {USED:.1%} of "
            f"the range; in '{worst.name}' in {worst.used:.1%}.",
            "A recipe's other methods for ranges may measure better; 'edgeq build --repair' tries them.",
            worst.used,
            USED,
        )


def _alone(evidence: Evidence, model: ModelFacts) -> Iterator[Finding]:
    found: list[TensorUse] = [each for each in model.tensors if each.alone > ALONE]
    if not found:
        return
    worst = max(found, key=lambda each: each.alone)
    names = list(dict.fromkeys(evidence.calibration.names[each.sample] for each in found))
    yield Finding(
        "range-of-one",
        "warning",
        f"The ranges of {len(found)} of {len(model.tensors)} tensors come from one sample each ({told(names)}): "
        f"without it that of '{worst.name}' is {worst.alone:.1f} times smaller.",
        "Look at these samples; more samples that are like them, or none, give better ranges.",
        worst.alone,
        ALONE,
    )
