"""TFLM's interpreter as a second opinion: it agrees with our runtime, and what it says otherwise is a finding."""

from __future__ import annotations

import pytest
import tinymodel

from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.quantize.golden import from_seed, make_golden
from edgeq.quantize.host import MICRO
from edgeq.quantize.tflm import cross_check

pytest.importorskip("tflite_micro", reason="TFLM's wheel: pip install tflite-micro")


def test_tflm_gives_the_bytes_of_our_runtime_and_a_difference_is_told() -> None:
    model = tinymodel.converted().model
    golden = make_golden(model, from_seed(describe(read_model(model))), MICRO)
    assert cross_check(model, golden.inputs, golden.outputs) == []
    wrong = [tuple(bytes([item[0] ^ 3, *item[1:]]) for item in vector) for vector in golden.outputs]
    (finding,) = cross_check(model, golden.inputs, wrong)
    assert (finding.code, finding.severity) == ("tflm", "warning") and 1 <= (finding.actual or 0) <= 3


def test_what_tflm_does_not_run_is_told() -> None:
    model = tinymodel.converted().model
    (finding,) = cross_check(model, [(b"\0" * 3,)], [(b"\0" * 3,)])
    assert finding.message.startswith("TFLM does not run the model")
