"""Raw inputs that do not fill the model's input are told before they travel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeq.preprocess import Raw, parse
from edgeq.preprocess.error import PreprocessError
from edgeq.preprocess.fill import check_could_fill, check_fills

RESIZE = {"do": "resize", "height": 8, "width": 8}


def picture(channels: int) -> Raw:
    return Raw(np.zeros((20, 30, channels), np.uint8))


@pytest.mark.parametrize(("channels", "wanted", "order"), [(1, 3, "rgb"), (3, 1, "gray")])
def test_grey_and_coloured_pictures_are_told_which_step_takes_both(channels: int, wanted: int, order: str) -> None:
    preprocess = parse({"input": "image", "steps": [RESIZE]})
    check_fills(preprocess, picture(wanted), (1, 8, 8, wanted))
    with pytest.raises(PreprocessError) as error:
        check_fills(preprocess, picture(channels), (1, 8, 8, wanted))
    assert f"makes [8, 8, {channels}] of an input of [20, 30, {channels}]" in error.value.message
    assert f'do = "colour", order = "{order}"' in error.value.hint
    both = parse({"input": "image", "steps": [RESIZE, {"do": "colour", "order": order}]})
    check_fills(both, picture(channels), (1, 8, 8, wanted))
    check_fills(both, picture(wanted), (1, 8, 8, wanted))


def test_other_shapes_are_told_with_both_sizes() -> None:
    preprocess = parse({"input": "image", "steps": [RESIZE]})
    with pytest.raises(PreprocessError, match=r"makes \[8, 8, 3\] .* the model wants \[16, 16, 3\]") as error:
        check_fills(preprocess, picture(3), (1, 16, 16, 3))
    assert "colour" not in error.value.hint
    steps = [{"do": "frame", "length": 400, "step": 160}, {"do": "spectrum", "fft": 512}]
    audio = parse({"input": "audio", "rate_hz": 16000, "steps": steps})
    check_fills(audio, Raw(np.zeros(16000, np.int16), 16000), (1, 98, 257))
    check_fills(audio, Raw(np.zeros(8000, np.int16), 8000), (1, 98, 257, 1))
    with pytest.raises(PreprocessError, match=r"makes \[48, 257\] of an input of \[8000\]"):
        check_fills(audio, Raw(np.zeros(8000, np.int16), 16000), (1, 98, 257))


@pytest.mark.parametrize(
    ("table", "shape", "words"),
    [
        ({"input": "image", "steps": [RESIZE]}, (1, 8, 8, 3), ""),
        ({"input": "image", "steps": [RESIZE]}, (1, 8, 8, 1), ""),
        ({"input": "image", "steps": [RESIZE]}, (1, 9, 7, 1), r"makes \[8, 8, n\]; the model's input is \[9, 7, 1\]"),
        ({"input": "image", "steps": []}, (1, 32, 32, 3), ""),
        ({"frontend": "micro"}, (1, 49, 40), ""),
        ({"frontend": "micro"}, (1, 1960), ""),
        ({"frontend": "micro"}, (1, 49, 10), r"makes \[n, 40\]; the model's input is \[49, 10\]"),
        ({"input": "features", "steps": [{"do": "scale", "multiply": 2}]}, (1, 7), ""),
        ({"external": {"owner": "we", "sha256": "0" * 64}}, (1, 7), ""),
    ],
)
def test_steps_that_no_input_fills_the_model_with_are_told(table: Any, shape: tuple[int, ...], words: str) -> None:
    if not words:
        check_could_fill(parse(table), shape)
        return
    with pytest.raises(PreprocessError, match=words):
        check_could_fill(parse(table), shape)
