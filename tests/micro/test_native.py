"""The C runtime by ctypes, with images of one or two simple records."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgeq.errors import ArtifactError, UsageError
from edgeq.micro import native
from edgeq.micro.fields import Buffer, View
from edgeq.micro.graph import Tensor
from edgeq.micro.image import ENVELOPE, Contents, Vector, write_image
from edgeq.micro.native import NativeModel
from edgeq.micro.plan import Plan, lay_out
from edgeq.micro.records import Copy, Lut

PLAN_FIELD = 16


def tensor(size: int) -> Tensor:
    return Tensor("t", (1, size), "int8", (0.5,), (0,), 0, 0, False, index=0, data=None)


def copy(source: View, out: View, size: int) -> Copy:
    return Copy(out, source, 1, (size,), (1,), (1,))


def mapped(table: Callable[[int], int], size: int = 4, goldens: Sequence[Vector] = ()) -> bytes:
    """out[i] = table(in[i])"""
    constant = Buffer("table", 256, data=bytes(table(at - 128) & 0xFF for at in range(256)))
    source, out = View(Buffer("in", size)), View(Buffer("out", size))
    plan = Plan((Lut(out, source, size, View(constant)),), (source,), (out,), ())
    return write_image(plan, lay_out(plan), Contents([tensor(size)], [tensor(size)], b"{}", goldens))


def delayed(first: bytes = b"", goldens: Sequence[Vector] = ()) -> bytes:
    """out[t] = in[t - 1], from `first` on."""
    source, out = View(Buffer("in", 4)), View(Buffer("out", 4))
    state = Buffer("state", 4, state=True, first=first)
    plan = Plan((copy(View(state), out, 4), copy(source, View(state), 4)), (source,), (out,), (state,))
    return write_image(plan, lay_out(plan), Contents([tensor(4)], [tensor(4)], b"{}", goldens))


def crossed() -> bytes:
    """Two inputs of 3 and 5 bytes, and as many outputs, the other way round."""
    sources = [View(Buffer("a", 3)), View(Buffer("b", 5))]
    outs = [View(Buffer("c", 5)), View(Buffer("d", 3))]
    plan = Plan((copy(sources[1], outs[0], 5), copy(sources[0], outs[1], 3)), tuple(sources), tuple(outs), ())
    return write_image(plan, lay_out(plan), Contents([tensor(3), tensor(5)], [tensor(5), tensor(3)], b"{}"))


def edited(image: bytes, at: int, value: bytes) -> bytes:
    """The image with other bytes at an offset of its body, and the digest made to match."""
    body = bytearray(image[ENVELOPE.size :])
    body[at : at + len(value)] = value
    return image[:8] + hashlib.sha256(body).digest() + image[40 : ENVELOPE.size] + bytes(body)


def plan_at(image: bytes) -> int:
    return int(struct.unpack_from("<I", image, ENVELOPE.size + PLAN_FIELD)[0])


def test_an_inference() -> None:
    with NativeModel(mapped(lambda value: -1 - value)) as model:
        assert (model.input_bytes, model.output_bytes, model.goldens) == ((4,), (4,), 0)
        assert model.invoke([bytes([0, 1, 127, 128])]) == [bytes([255, 254, 128, 127])]


def test_several_inputs_and_outputs() -> None:
    with NativeModel(crossed()) as model:
        assert (model.input_bytes, model.output_bytes) == ((3, 5), (5, 3))
        assert model.invoke([b"abc", b"vwxyz"]) == [b"vwxyz", b"abc"]


@pytest.mark.parametrize("inputs", [[], [b"abc"], [b"abc", b"vwxy"], [b"vwxyz", b"abc"], [b"abc", b"vwxyz", b""]])
def test_inputs_of_other_lengths_are_refused(inputs: list[bytes]) -> None:
    with NativeModel(crossed()) as model, pytest.raises(UsageError, match=r"inputs of \[3, 5\] bytes"):
        model.invoke(inputs)


def test_state_lasts_until_a_reset() -> None:
    with NativeModel(delayed(b"zero")) as model:
        assert [model.invoke([item]) for item in (b"one1", b"two2")] == [[b"zero"], [b"one1"]]
        model.reset()
        assert model.invoke([b"tree"]) == [b"zero"]


def test_steps() -> None:
    with NativeModel(delayed()) as model:
        done: list[int] = []
        assert model.step_kinds() == (Copy.kind, Copy.kind)
        assert model.invoke([b"one1"], lambda: done.append(1)) == [bytes(4)]
        assert model.step_kinds() == (Copy.kind, Copy.kind)
        assert len(done) == 2
        assert model.invoke([b"two2"]) == [b"one1"]
        assert model.invoke([b"tree"], lambda: None) == [b"two2"]


def test_golden_vectors_are_a_sequence_from_a_reset_state() -> None:
    goldens = [([b"aaaa"], [bytes(4)]), ([b"bbbb"], [b"aaaa"]), ([b"cccc"], [b"bbbe"])]
    with NativeModel(delayed(goldens=goldens)) as model:
        assert model.goldens == 3
        for _ in range(2):
            assert [model.golden(index) for index in range(3)] == [0, 0, 3]


@pytest.mark.parametrize("index", [-1, 1])
def test_a_golden_vector_that_is_not_there(index: int) -> None:
    with (
        NativeModel(mapped(abs, goldens=[([bytes(4)], [bytes(4)])])) as model,
        pytest.raises(UsageError, match="1 gol"),
    ):
        model.golden(index)


def test_a_damaged_image_is_refused() -> None:
    image = mapped(abs)
    with pytest.raises(ArtifactError, match="digest"):
        NativeModel(image[:-1] + bytes([image[-1] ^ 1]))


def test_what_the_runtime_says_of_an_image_is_told() -> None:
    image = mapped(abs)
    with pytest.raises(ArtifactError, match="out of range"):
        NativeModel(edited(image, plan_at(image) + 4, b"\xff\xff\xff\x7f"))
    with pytest.raises(ArtifactError, match="a kernel that this runtime lacks"):
        NativeModel(edited(image, plan_at(image), b"\xff\xff"))


@pytest.mark.parametrize("count", [9, 1 << 15])
def test_inputs_that_overlap_are_less_than_2_gb_together(count: int) -> None:
    source, out = View(Buffer("in", 1 << 16)), View(Buffer("out", 4))
    plan = Plan((copy(source, out, 4),), (source,) * count, (out,), ())
    image = write_image(plan, lay_out(plan), Contents([tensor(1 << 16)] * count, [tensor(4)], b"{}"))
    if count == 9:
        with NativeModel(image) as model:
            assert sum(model.input_bytes) == 9 << 16
    else:
        with pytest.raises(ArtifactError, match="out of range"):
            NativeModel(image)


def test_many_models_in_many_threads() -> None:
    def work(shift: int) -> bool:
        with NativeModel(mapped(lambda value: value ^ shift, size=1000)) as model:
            data = bytes(at % 256 for at in range(1000))
            expected = [bytes(value ^ shift for value in data)]
            return all(model.invoke([data]) == expected for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))


def test_threads_may_share_a_model() -> None:
    with NativeModel(mapped(lambda value: value ^ 1, size=4000)) as model, ThreadPoolExecutor(8) as pool:

        def work(value: int) -> bool:
            return all(model.invoke([bytes([value]) * 4000]) == [bytes([value ^ 1]) * 4000] for _ in range(50))

        assert all(pool.map(work, range(16)))


def test_after_close() -> None:
    model = NativeModel(mapped(abs))
    model.close()
    model.close()
    calls = (lambda: model.invoke([bytes(4)]), model.reset, model.step_kinds)
    for call in calls:
        with pytest.raises(ValueError, match="closed"):
            call()


def test_a_library_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.so"
    broken.write_text("no library")
    monkeypatch.setattr(native, "find_library", lambda: broken)
    with pytest.raises(UsageError, match="does not load") as caught:
        native._library.__wrapped__()
    assert str(broken) in caught.value.hint
