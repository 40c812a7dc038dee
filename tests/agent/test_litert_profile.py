"""LiteRT's C interface: what the profiled model computes, what its profiler tells, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import zlib
from pathlib import Path

import pytest
from bundles import MODEL, tiny

from edgeq.agent import litert_profile
from edgeq.agent.errors import Refused
from edgeq.agent.litert_profile import EVENT, EVENT_BYTES, ProfiledModel, check, measure, packed
from edgeq.protocol.status import Status
from edgeq.runtime import Model

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="the profiler is that of ai-edge-litert"
)


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin"])
def test_the_profiled_model_computes_what_the_interpreter_does(kernels: str) -> None:
    inputs = tiny()[2][0][0]
    profiled, model = ProfiledModel(MODEL, 1, kernels), Model(MODEL, kernels=kernels)
    profiled.load(inputs)
    assert profiled.run() > 0
    assert profiled.read() == model.invoke(inputs)
    events = profiled.profile()
    assert profiled.read() == model.invoke(inputs)
    tags = [event.tag for event in events]
    assert ("CONV_2D" in tags) == (kernels == "builtin")
    assert tags[-1] == "SOFTMAX"
    assert [event.node for event in events if event.kind == 2] == ([0, 1, 2, 3, 4] if kernels == "builtin" else [4])


def test_the_graph_is_the_files() -> None:
    from edgeq.model.schema import OPERATORS
    from edgeq.model.tflite import read_model
    from edgeq.model.window import windows

    main = read_model(MODEL.read_bytes()).subgraphs[0]
    found = windows(MODEL.read_bytes(), main)
    filters = {operator.outputs[0]: window for operator, window in zip(main.operators, found, strict=True)}
    for node, operator in zip(ProfiledModel(MODEL, 1, "xnnpack").graph(), main.operators, strict=True):
        assert (OPERATORS[node["code"]], node["name"]) == (operator.name, main.tensors[operator.outputs[0]].name)
        assert node["inputs"] == [list(main.tensors[index].shape) for index in operator.inputs if index >= 0]
        sizes = (main.tensors[index].size_bytes for index in (*operator.inputs, *operator.outputs) if index >= 0)
        assert node["bytes"] == sum(sizes)
        window = filters[operator.outputs[0]]
        assert ("options" in node) == (window is not None)
        if window:
            told = [(node["options"][f"{key}_h"], node["options"][f"{key}_w"]) for key in ("stride", "dilation")]
            assert told == [window.stride, window.dilation]


def test_runs_with_and_without_the_profiler_in_turn() -> None:
    first, *runs = measure(MODEL, tiny()[2][0][0], 1, "xnnpack", 3)
    detail = json.loads(zlib.decompress(first["detail"]))
    assert (detail["runtime"].split(".")[0], detail["clock_ns"]) == ("ai-edge-litert 2", 1000)
    assert detail["graph_name"] == "main"
    assert [len(run["op_ns"]) for run in runs] == [len(detail["events"])] * 3
    assert all(run["invoke_ns"] > 0 for run in runs)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (("tflite-runtime", "2.14.0"), "tflite-runtime 2.14.0 has no profiler that edgeq knows; ai-edge-litert 2.3"),
        (("ai-edge-litert", "2.1.0"), "ai-edge-litert 2.1.0 has no profiler that edgeq knows"),
        (("ai-edge-litert", "2.30.0"), "ai-edge-litert 2.30.0 has no profiler"),
        (None, "ai-edge-litert 2.3 is not installed"),
    ],
)
def test_other_runtimes_are_unsupported(
    found: tuple[str, str] | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litert_profile, "available", lambda: found)
    with pytest.raises(Refused, match=told) as no:
        check("xnnpack")
    assert no.value.status == Status.UNSUPPORTED


def test_events_of_another_layout_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert EVENT.size + 4 == EVENT_BYTES
    profiled = ProfiledModel(MODEL, 1, "xnnpack")
    profiled.load(tiny()[2][0][0])
    monkeypatch.setattr(litert_profile, "EVENT_BYTES", 88)
    with pytest.raises(Refused, match=r"writes [0-9]+ bytes for [0-9]+ events, not 88 each") as no:
        profiled.profile()
    assert no.value.status == Status.UNSUPPORTED
    monkeypatch.setattr(litert_profile, "EVENT_BYTES", EVENT_BYTES)
    monkeypatch.setattr(litert_profile, "MOST_EVENTS", 3)
    with pytest.raises(Refused, match="it has room for 2"):
        profiled.profile()


@pytest.mark.parametrize(("inputs", "told"), [([], "has 1 inputs; 0 were given"), ([b"x"], "an input has 64 bytes; 1")])
def test_inputs_that_do_not_fit(inputs: list[bytes], told: str) -> None:
    with pytest.raises(Refused, match=told):
        ProfiledModel(MODEL, 1, "builtin").load(inputs)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"nothing of the kind")
    with pytest.raises(Refused, match="LiteRtCreateModelFromFile answers"):
        ProfiledModel(tmp_path / "model.tflite", 1, "xnnpack")


def test_too_much_for_one_answer() -> None:
    import os

    with pytest.raises(Refused, match="too many ops"):
        packed({"noise": os.urandom(40_000).hex()})
