"""Windows of operators: what the file says of filters, and what a device's answer says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.model.macs import Work
from edgeq.model.tflite import read_model
from edgeq.model.window import Window, cuts, read_window, window_of, windows

CASES = Path(__file__).resolve().parents[1] / "cases" / "models"
CONV = Work([(1, 32, 32, 8), (16, 3, 5, 8), (16,)], [(1, 16, 32, 16)])
DEEP = Work([(1, 32, 32, 8), (1, 3, 3, 16), (16,)], [(1, 32, 32, 16)])
POOL = Work([(1, 8, 8, 16)], [(1, 4, 4, 16)])


@pytest.mark.parametrize(
    ("name", "work", "options", "window"),
    [
        ("CONV_2D", CONV, {"stride_h": 2}, Window((3, 5), (2, 1), (1, 1), (8, 16))),
        ("CONV_2D", CONV, {"dilation_h": 4, "dilation_w": 2}, Window((3, 5), (1, 1), (4, 2), (8, 16))),
        ("DEPTHWISE_CONV_2D", DEEP, {}, Window((3, 3), (1, 1), (1, 1), (1, 16))),
        ("MAX_POOL_2D", POOL, {"size_h": 2, "size_w": 3, "stride_w": 2}, Window((2, 3), (1, 2), (1, 1), (1, 16))),
        ("MAX_POOL_2D", POOL, {"size_h": -2}, None),
        ("CONV_2D", POOL, {}, None),
        ("CONV_2D", Work([], []), {}, None),
        ("ADD", POOL, {}, None),
    ],
)
def test_what_shapes_and_options_say(name: str, work: Work, options: dict[str, int], window: Window | None) -> None:
    assert window_of(name, work, options) == window


def test_it_goes_through_json() -> None:
    window = Window((3, 5), (2, 1), (1, 4), (8, 16))
    assert window.to_json() == {"size": [3, 5], "stride": [2, 1], "dilation": [1, 4], "channels": [8, 16]}
    assert read_window(window.to_json()) == window
    assert read_window(None) is None


@pytest.mark.parametrize("data", [{"size": [3, 3]}, {**Window(*[(1, 1)] * 4).to_json(), "stride": [0, 1]}, 7])
def test_anything_else_is_refused(data: object) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_window(data)


def test_a_file_tells_the_window_of_each_operator() -> None:
    model = (CASES / "tiny_int8.tflite").read_bytes()
    main = read_model(model).subgraphs[0]
    found = dict(zip([operator.name for operator in main.operators], windows(model, main), strict=True))
    conv, deep = found["CONV_2D"], found["DEPTHWISE_CONV_2D"]
    assert conv and deep and (conv.size, deep.size, deep.channels) == ((3, 3), (3, 3), (1, 4))
    assert found["MEAN"] is None and found["FULLY_CONNECTED"] is None
    assert cuts(model, main) == {}


def test_real_files_too(shared_models: Path) -> None:
    """The first convolution of MLPerf Tiny's keyword spotting has a filter of 10x4 with stride 2 (its paper)."""
    model = (shared_models / "kws_mlperf_int8.tflite").read_bytes()
    found = windows(model, read_model(model).subgraphs[0])
    assert found[0] == Window((10, 4), (2, 2), (1, 1), (1, 64))
    assert [window and window.size for window in found[1:3]] == [(3, 3), (1, 1)]
