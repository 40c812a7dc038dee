"""A model that gives a tensor from its middle: numbers changed in place, what is not there refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bundles import MODEL, tiny

from edgeq.agent.errors import Refused
from edgeq.agent.looking import look, patched
from edgeq.model.tflite import read_model
from edgeq.protocol.status import Status
from edgeq.runtime import Model


def test_every_tensor_is_what_the_runtime_itself_shows() -> None:
    data, _, (inputs, _) = tiny()
    watched = Model(data, kernels="reference", watch=True)
    watched.invoke(inputs[0])
    graph = read_model(data).subgraphs[0]
    for operator in graph.operators:
        (place,) = operator.outputs
        shown = np.array(watched.tensor(place)).tobytes()
        assert look(MODEL, 1, "reference", inputs[0], place) == shown
        own = look(MODEL, 1, "xnnpack", inputs[0], place)
        assert np.abs(np.frombuffer(own, np.int8).astype(int) - np.frombuffer(shown, np.int8)).max() <= 1


def test_only_numbers_change_and_the_last_tensor_is_the_output() -> None:
    data, _, (inputs, outputs) = tiny()
    graph = read_model(data).subgraphs[0]
    changed = patched(data, graph.operators[0].outputs[0])
    assert len(changed) == len(data)
    assert read_model(changed).subgraphs[0].outputs == (graph.operators[0].outputs[0],)
    assert Model(patched(data, graph.outputs[0])).invoke(inputs[0]) == outputs[0]


@pytest.mark.parametrize("tensor", [-1, 10_000, 1 << 40])
def test_a_tensor_that_is_not_there_is_refused(tensor: int) -> None:
    with pytest.raises(Refused) as refused:
        patched(tiny()[0], tensor)
    assert refused.value.status == Status.INVALID


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    data = tiny()[0]
    for size in (0, 3, 8, 40, 200):
        (tmp_path / "model.tflite").write_bytes(data[:size])
        with pytest.raises(Refused, match=r"damaged|no tensor"):
            look(tmp_path / "model.tflite", 1, "xnnpack", [], 0)
    with pytest.raises(Refused, match="damaged"):
        patched(b"\xff" * 64, 0)
