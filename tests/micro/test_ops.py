"""Every operator against its oracle, byte for byte: models of one operator, drawn at random."""

from __future__ import annotations

import os

import numpy as np
import pytest
import single_ops
from draws import Case
from flat import Array
from hypothesis import HealthCheck, Phase, given, settings

from edgeq.micro.compile import compile_model
from edgeq.micro.lower import OPERATORS
from edgeq.micro.native import NativeModel

oracles = pytest.importorskip("oracles", reason="TFLM's wheel is not installed (pip install --pre tflite-micro)")
EXAMPLES = 500 if "EDGEQ_FUZZ" in os.environ else 100
VARIABLES = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}


def answers(case: Case) -> list[list[Array]]:
    """What the runtime gives for each step."""
    with NativeModel(compile_model(case.model).image()) as model:
        return [
            [np.frombuffer(data, np.uint8) for data in model.invoke([array.tobytes() for array in step])]
            for step in case.inputs
        ]


@pytest.mark.parametrize("name", single_ops.OPS)
def test_the_bytes_are_the_oracles(name: str) -> None:
    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(single_ops.cases(name))
    def check(case: Case) -> None:
        for step, (found, expected) in enumerate(zip(answers(case), oracles.expected(case), strict=True)):
            for one, other in zip(found, expected, strict=True):
                assert one.tobytes() == np.ascontiguousarray(other).tobytes(), (case.about, step)

    check()


def test_no_operator_is_left_out() -> None:
    assert OPERATORS.keys() - VARIABLES == single_ops.OPS.keys() - {"VARIABLES"}
