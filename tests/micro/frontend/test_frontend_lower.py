"""What a microcontroller cannot do is refused by name while the model is built; what it can do has its memory."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fronts import Drive, audio, front, noise, tensor

from edgeq.errors import ArtifactError, ConvertError, UsageError
from edgeq.micro.compile import compile_model
from edgeq.micro.frontend.golden import golden_raw
from edgeq.micro.frontend.lower import lower
from edgeq.micro.frontend.program import place_memories
from edgeq.micro.frontend.reference import quantized
from edgeq.micro.image import ENVELOPE, PLAN_ABI, PLAN_ABI_FRONTEND, frontend_places
from edgeq.micro.native import NativeModel
from edgeq.preprocess import Raw, parse
from edgeq.protocol.status import Status

TINY = Path(__file__).resolve().parents[2] / "cases" / "models" / "tiny_int8.tflite"
FRAME: Mapping[str, Any] = {"do": "frame", "length": 30, "step": 20}
SPECTRUM: Mapping[str, Any] = {"do": "spectrum", "fft": 32}
LOG: Mapping[str, Any] = {"do": "log"}
EXTERNAL = {"owner": "me", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([{"do": "scale"}, {"do": "resample", "rate_hz": 8000}, FRAME, SPECTRUM], r"Step 2 \(resample\).*first step"),
        ([{"do": "peak"}, {"do": "pad", "samples": 70}, FRAME, SPECTRUM], r"Step 2 \(pad\).*first step"),
        ([{"do": "peak"}, {"do": "peak"}, FRAME, SPECTRUM], r"Step 2 \(peak\).*a peak before"),
        ([{"do": "preemphasis"}, {"do": "preemphasis"}, FRAME, SPECTRUM], r"Step 2 \(preemphasis\)"),
        ([{"do": "scale", "multiply": 1e30}, {"do": "peak"}, FRAME, SPECTRUM], r"Step 2 \(peak\).*too far"),
        ([FRAME, {"do": "scale", "multiply": [2.0] * 30}, SPECTRUM], r"Step 2 \(scale\).*lists"),
        ([FRAME, {"do": "window"}, {"do": "clip", "low": 0, "high": 1}, SPECTRUM], r"Step 3 \(clip\).*behind a window"),
        ([FRAME, {"do": "spectrum", "fft": 34}, LOG], r"Step 2 \(spectrum\).*fft is 34; microcontrollers take powers"),
        ([FRAME, SPECTRUM, {"do": "scale", "multiply": -1}, LOG], r"Step 3 \(scale\).*0 or more"),
        ([FRAME, SPECTRUM, {"do": "pcen", "gain": 0, "power": 10}], r"Step 3 \(pcen\).*values of up to"),
        ([FRAME, SPECTRUM, LOG, {"do": "stack", "frames": 2}, {"do": "stack", "frames": 2}], r"Step 5 \(stack\)"),
        ([{"do": "scale"}, {"do": "micro"}], r"Step 1 \(scale\).*before micro"),
        ([FRAME], "neither a spectrum nor a micro step"),
        ([FRAME, SPECTRUM, LOG, {"do": "stack", "frames": 2}], "rows of 34 values"),
        ([{"do": "pad", "samples": 90}, FRAME, SPECTRUM, LOG], "pads clips to 90 samples; .* 70 to 89"),
    ],
)  # fmt: skip
def test_a_step_that_cannot_be_done_is_named(steps: list[Mapping[str, Any]], why: str) -> None:
    with pytest.raises(ConvertError, match=why) as refused:
        front(audio(*steps), tensor((1, 3, 17)))
    assert refused.value.hint


def test_a_float_input_is_refused() -> None:
    with pytest.raises(ConvertError, match="float32"):
        front(audio(FRAME, SPECTRUM, LOG), tensor((1, 3, 17), "float32"))


def test_what_the_application_does_is_left_to_it() -> None:
    assert lower(parse({"external": EXTERNAL}), tensor((1, 3))) is None
    assert lower(parse({"input": "features"}), tensor((1, 3))) is None


def test_memories_lie_apart_from_each_other_and_from_what_is_taken() -> None:
    steps = ({"do": "pad", "samples": 80}, {"do": "peak"}, FRAME, SPECTRUM, LOG)
    program = front(audio(*steps), tensor((1, 3, 17))).program
    taken = [(0, 40), (100, 51)]
    places, end = place_memories(program.memories, taken)
    spans = sorted([*taken, *((places[memory.name], memory.size_bytes) for memory in program.memories)])
    assert all(at + size <= after for (at, size), (after, _) in pairwise(spans))
    assert end == max(at + size for at, size in spans)
    assert all(place % 8 == 0 for place in places.values())


def test_a_compiled_model_has_room_for_its_front_end() -> None:
    compiled = compile_model(TINY.read_bytes())
    given = compiled.graph.tensors[compiled.graph.inputs[0]]
    size = given.size_bytes
    preprocess = audio(
        {"do": "pad", "samples": 98 + 2 * size}, {"do": "peak"}, {"do": "frame", "length": 100, "step": 2},
        {"do": "spectrum", "fft": 128}, {"do": "mel", "bins": 1, "low_hz": 20, "high_hz": 4000}, LOG,
    )  # fmt: skip
    made = compiled.preprocessed(preprocess)
    assert made.frontend is not None
    _, end = frontend_places(made.frontend, made.plan, compiled.arena)
    assert made.arena.bytes == max(compiled.arena.bytes, end) > compiled.arena.bytes
    assert compiled.image(b"{}", preprocess=preprocess) == made.image(b"{}")
    with NativeModel(made.image(b"{}")) as model:
        assert model.has_frontend
        raw = noise(500)
        assert model.invoke_raw(raw) == model.invoke([quantized(made.frontend, raw)])


def test_older_firmware_refuses_an_image_with_a_front_end() -> None:
    plain, made = compile_model(TINY.read_bytes()).image(b"{}"), front(audio(FRAME, SPECTRUM, LOG), tensor((1, 3, 17)))
    abis = [ENVELOPE.unpack_from(image)[4] for image in (plain, made.image)]
    assert abis == [PLAN_ABI, PLAN_ABI_FRONTEND]
    body = bytearray(made.image)
    body[44] = body[ENVELOPE.size] = PLAN_ABI
    with pytest.raises(ArtifactError):
        NativeModel(bytes(body))


def test_golden_vectors_from_raw_input_run_behind_the_others() -> None:
    raw, given = noise(75), tensor((1, 3, 17))
    made = quantized(front(audio(FRAME, SPECTRUM, LOG), given).program, raw)
    wrong = bytes([made[0] ^ 1]) + made[1:]
    with NativeModel(front(audio(FRAME, SPECTRUM, LOG), given, [(raw, [made]), (raw, [wrong])]).image) as model:
        assert (model.goldens, model.raw_goldens) == (0, 2)
        assert [model.golden_raw(index) for index in (0, 1, 0)] == [0, 1, 0]
        with pytest.raises(UsageError, match="2 golden vectors"):
            model.golden_raw(2)


def test_the_golden_recording_is_one_that_fits_cut_to_what_counts() -> None:
    program = front(audio({"do": "pad", "samples": 75}, FRAME, SPECTRUM, LOG), tensor((1, 3, 17))).program
    raws = [Raw(noise(50).array, 8000), noise(500), noise(60)]
    found = golden_raw(program, raws)
    assert found is not None
    assert len(found[0].array) == 75
    assert found[1] == quantized(program, noise(500))
    assert golden_raw(program, raws[:1]) is None


def test_a_model_without_a_front_end_says_so() -> None:
    with (
        NativeModel(compile_model(TINY.read_bytes()).image(b"{}")) as model,
        pytest.raises(UsageError, match="no front end"),
    ):
        assert not model.has_frontend
        model.preprocess(noise(50))


def test_a_runtime_without_front_ends_refuses_an_image_with_one(tmp_path: Path) -> None:
    """And takes one without: then there is nothing to open."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    drive = Drive(tmp_path, "runtime/no_frontend", ("-O0",))
    assert drive(front(audio(FRAME, SPECTRUM, LOG), tensor((1, 3, 17))).image, noise(75))[0] == -Status.UNSUPPORTED
    assert drive(compile_model(TINY.read_bytes()).image(b"{}"), noise(75))[0] == -Status.NOT_FOUND
    drive.close()
