from __future__ import annotations

import functools

import numpy as np
import pytest
from draws import Case
from flat import Op, Tensor, options, write_model
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from oracles import ORACLES, Outputs, RefusedError, apart_lsb, exact, expected, litert, tflm, tflm_apart
from single_ops import OPS, cases

from edgeq.model.tflite import read_model


@functools.cache
def drawn(name: str) -> list[Case]:
    """Some cases of an operator, always the same ones."""
    found: list[Case] = []

    @settings(
        max_examples=25, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(cases(name))
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


@functools.cache
def answers(name: str) -> list[Outputs]:
    """The oracle's answers to them: it refuses none."""
    return [expected(case) for case in drawn(name)]


def test_every_operator_has_an_oracle() -> None:
    assert ORACLES.keys() == OPS.keys()


@pytest.mark.parametrize("name", OPS)
def test_models_are_what_the_case_says(name: str) -> None:
    for case in drawn(name):
        info = read_model(case.model)
        assert case.op == name and case.inputs
        assert name == "VARIABLES" or list(info.op_counts()) == [name]
        for step in case.inputs:
            assert [(a.shape, a.dtype.name) for a in step] == [(t.shape, t.dtype) for t in info.inputs]


@pytest.mark.parametrize("name", OPS)
def test_the_oracle_is_as_near_to_float64_as_stated(name: str) -> None:
    for case, answer in zip(drawn(name), answers(name), strict=True):
        outputs = read_model(case.model).outputs
        for step in answer:
            assert [(a.shape, a.dtype.name) for a in step] == [(t.shape, t.dtype) for t in outputs], case
        assert apart_lsb(answer, exact(case)) <= ORACLES[name].float_lsb + 1e-3, case


@pytest.mark.parametrize("name", [name for name in OPS if name != "RELU6"])
def test_both_runtimes_agree_as_stated(name: str) -> None:
    for case, answer in zip(drawn(name), answers(name), strict=True):
        try:
            other = litert(case.model, case.inputs)
        except RefusedError:
            assert name in ("BROADCAST_TO", "ELU", "QUANTIZE", "SVDF", "VARIABLES"), case
        else:
            assert apart_lsb(answer, other) <= ORACLES[name].runtimes_lsb, case


@pytest.mark.parametrize("name", OPS)
def test_a_fifth_of_the_answers_is_not_of_one_value(name: str) -> None:
    """A generator of saturated outputs would prove nothing. An answer of one element says nothing of that."""
    several = [answer[0][0] for answer in answers(name) if answer[0][0].size > 1]
    assert several
    assert sum(len(np.unique(array)) > 1 for array in several) >= len(several) // 5


def _relu6(source_scale: float, out_scale: float) -> bytes:
    source, out = Tensor((4,), "int8", (source_scale,)), Tensor((4,), "int8", (out_scale,))
    return write_model([Op("RELU6", (source,), (out,))], (source,), (out,))


def test_relu6_of_tflm_is_wrong_where_scales_differ() -> None:
    steps = [[np.array([-128, 0, 30, 127], np.int8)]]
    (right,), (wrong,) = litert(_relu6(0.1, 0.05), steps), tflm(_relu6(0.1, 0.05), steps)
    assert right[0].tolist() == [0, 0, 60, 120]
    assert wrong[0].tolist() == [0, 0, 30, 60]
    assert apart_lsb(litert(_relu6(0.1, 0.1), steps), tflm(_relu6(0.1, 0.1), steps)) == 0


def test_what_a_runtime_refuses_is_told() -> None:
    source, coarse = Tensor((4,), "int8", (0.1,)), Tensor((4,), "int8", (0.1 / 256,))
    model = write_model([Op("HARD_SWISH", (source,), (coarse,), options("HardSwish"))], (source,), (coarse,))
    for run in (tflm, litert, tflm_apart):
        with pytest.raises(RefusedError):
            run(model, [[np.zeros(4, np.int8)]])


def test_an_abort_of_tflm_kills_only_its_own_process() -> None:
    source, out = Tensor((1, 512), "int8", (0.1,)), Tensor((1, 512), "int8", (1 / 256,), -128)
    op = Op("SOFTMAX", (source,), (out,), options("Softmax", beta=1.0))
    model = write_model([op], (source,), (out,))
    with pytest.raises(RefusedError):
        tflm_apart(model, [[np.zeros((1, 512), np.int8)]])
    uneven = np.arange(512, dtype=np.int16).reshape(1, 512).astype(np.int8)
    assert apart_lsb(tflm_apart(model, [[uneven]]), tflm(model, [[uneven]])) == 0


@given(st.integers(-128, 127))
def test_a_variable_read_before_its_first_assignment_holds_the_zero_point(zero_point: int) -> None:
    value, handle = Tensor((3,), "int8", (0.5,), zero_point), Tensor((), "resource")
    read = value.like((3,))
    ops = [
        Op("VAR_HANDLE", (), (handle,), options("VarHandle", sharedName="state", container="")),
        Op("READ_VARIABLE", (handle,), (read,), options("ReadVariable")),
        Op("ASSIGN_VARIABLE", (handle, value), (), options("AssignVariable")),
    ]
    steps = [[np.array([1, 2, 3], np.int8)], [np.array([4, 5, 6], np.int8)]]
    (first,), (second,) = tflm(write_model(ops, (value,), (read,)), steps)
    assert first.tolist() == [zero_point] * 3 and second.tolist() == [1, 2, 3]
