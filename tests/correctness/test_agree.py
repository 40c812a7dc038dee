"""How far outputs are apart: in steps, in bins, NaN and infinity, samples by name."""

from __future__ import annotations

import numpy as np

from edgeq.correctness.agree import compare, differing
from edgeq.interface import Interface, Tensor

CLASSES = Tensor("classes", (1, 4), "int8", 0.5, 0)
NUMBERS = Tensor("numbers", (1, 2), "float32", 0.0, 0)


def rows(*values: list[float], dtype: str = "i1") -> np.ndarray:
    found = np.array(values, dtype)
    return found.view(np.uint8).reshape(len(values), -1)


def test_steps_and_their_bins() -> None:
    host = rows([1, 2, 3, 4], [0, 0, 0, 0], [-128, 0, 0, 127])
    device = rows([1, 2, 3, 4], [0, 1, 0, -5], [127, 0, 0, 127])
    found = compare(Interface((), (CLASSES,)), device, host)
    assert found.steps.tolist() == [0, 5, 255] and found.equal.tolist() == [True, False, False]
    (table,) = found.outputs
    assert table["histogram"] == {"0": 9, "1": 1, "2": 0, "3..7": 1, "8..31": 0, "32..127": 0, ">127": 1}
    assert (table["elements"], table["largest"], table["step"]) == (12, 255, 0.5)


def test_floats_count_in_thousandths_and_what_is_no_number_is_no_step() -> None:
    host = rows([1.0, np.nan], [np.inf, 0.0], [0.0, 1.0], dtype="<f4")
    device = rows([1.0005, np.nan], [np.inf, -0.0], [np.nan, 1.0], dtype="<f4")
    found = compare(Interface((), (NUMBERS,)), device, host)
    assert np.round(found.steps, 3).tolist() == [0.5, 0, np.inf]
    assert found.equal.tolist() == [False, False, False]  # -0 is 0, though not bit by bit.
    assert found.outputs[0]["histogram"]["1"] == 1 and found.outputs[0]["histogram"][">127"] == 1
    assert found.outputs[0]["largest"] is None


def test_several_outputs_are_looked_at() -> None:
    host = np.hstack([rows([0, 0, 0, 0]), rows([0.0, 0.0], dtype="<f4")])
    device = np.hstack([rows([0, 0, 0, 0]), rows([0.0, 0.004], dtype="<f4")])
    found = compare(Interface((), (CLASSES, NUMBERS)), device, host)
    assert np.round(found.steps).tolist() == [4]
    assert [table["name"] for table in found.outputs] == ["classes", "numbers"]


def test_those_that_decide_otherwise_come_first() -> None:
    host = rows([9, 0, 0, 0], [9, 0, 0, 0], [9, 8, 0, 0], [1, 0, 0, 0])
    device = rows([9, 0, 0, 0], [9, 0, 0, 7], [8, 9, 0, 0], [2, 0, 0, 0])
    found = compare(Interface((), (CLASSES,)), device, host)
    decided = device.view(np.int8).argmax(axis=1), host.view(np.int8).argmax(axis=1)
    named = differing(found, decided, 1, "sample {}".format)
    assert [row["place"] for row in named] == [2, 1]
    assert named[0] == {"place": 2, "sample": "sample 2", "steps": 1, "device": 1, "host": 0}
    assert [row["place"] for row in differing(found, None, 0, str)] == [1, 2, 3]
