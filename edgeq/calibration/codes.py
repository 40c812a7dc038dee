"""Integers that were quantized before, given as if they were real values."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.calibration.evidence import Evidence
from edgeq.finding import Finding


def check(evidence: Evidence) -> Iterator[Finding]:
    """Needs a model with real inputs. Images are uint8 and audio is int16; int8 is what quantizers make."""
    facts, model = evidence.calibration, evidence.model
    if facts.dtype != "int8" or not facts.whole or model is None or model.input_dtype != "float32":
        return
    yield Finding(
        "codes",
        "warning",
        f"The samples of '{facts.spec}' are int8: these look like the integers of a quantized input, and the model "
        "takes real values.",
        "Save (integer - zero point) * scale, or put a scale step into [preprocess].",
    )
