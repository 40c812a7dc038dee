"""Audio at another rate: C and numpy give the same bytes for any rates, chains and pieces; both are the float step."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from math import gcd
from typing import Any

import numpy as np
import pytest
from fronts import Drive, Front, audio, front, noise, tensor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq.errors import ConvertError
from edgeq.micro.frontend import program as p
from edgeq.micro.frontend.golden import golden_raw
from edgeq.micro.frontend.lower import lower
from edgeq.micro.frontend.reference import quantized
from edgeq.micro.frontend.resample import TAP_BITS, fewest, longest, lower_resample, resampled
from edgeq.micro.frontend.resample_reference import heard_hz, resample
from edgeq.micro.image import BODY, ENVELOPE
from edgeq.micro.native import NativeModel
from edgeq.preprocess import Raw
from edgeq.preprocess.audio import at_rate, resample_table
from edgeq.preprocess.step import Step as Parsed
from edgeq.runtime import quantize

Step = Mapping[str, Any]
RATES = (8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
PAIRS = [(a, b) for a in RATES for b in RATES if a != b]
KWS: tuple[Step, ...] = (
    {"do": "frame", "length": 480, "step": 320}, {"do": "window"}, {"do": "spectrum", "fft": 512},
    {"do": "mel", "bins": 40, "low_hz": 20, "high_hz": 4000}, {"do": "log"}, {"do": "mfcc", "count": 10},
)  # fmt: skip
SPECTRUM: Step = {"do": "spectrum", "fft": 32}
RECORD = struct.Struct("<HH5I")
INVALID, UNSUPPORTED = -2, -12
ARENA_BYTES = 1 << 16


def record(from_hz: int, to_hz: int) -> p.Resample:
    return lower_resample(0, Parsed("resample", {"rate_hz": to_hz}), from_hz)


def heard(raw: Raw, rate_hz: int) -> np.ndarray[Any, Any]:
    """int16 samples at the other rate, as integers make them."""
    return resample(record(raw.rate_hz, rate_hz), raw.array.astype(np.int64))


@st.composite
def chains(draw: st.DrawFn) -> tuple[tuple[Step, ...], int, int, int, int]:
    """Steps, the rate that goes in, samples of a clip beyond those that it must have, width of rows, and rows."""
    from_hz, to_hz = draw(st.sampled_from([*PAIRS, (16_000, 16_000), (1000, 48_000), (96_000, 1000)]))
    length, step, rows = draw(st.integers(2, 40)), draw(st.integers(1, 60)), draw(st.integers(1, 5))
    out = (rows - 1) * step + length + draw(st.integers(0, step - 1))
    made = [{"do": "resample", "rate_hz": to_hz}]
    if draw(st.booleans()):
        made.append({"do": "pad", "samples": out, "at": draw(st.sampled_from(["start", "end"]))})
    made += draw(
        st.lists(
            st.sampled_from(
                [{"do": "scale", "multiply": 0.4, "add": 3.0}, {"do": "clip", "low": -9000.0, "high": 20000.0}]
            ),
            max_size=2,
        )
    )
    made += [{"do": do} for do in draw(st.sampled_from([(), ("peak",), ("preemphasis",), ("peak", "preemphasis")]))]
    fft = 1 << max(2, (length - 1).bit_length())
    made += [{"do": "frame", "length": length, "step": step}, {"do": "spectrum", "fft": fft}]
    return tuple(made), from_hz, draw(st.integers(0, 2 * out * from_hz // to_hz)), fft // 2 + 1, rows


@given(chains(), st.integers(1, 999), st.integers(0, 99), st.sampled_from([0, 1, 900, 32767, 10**6]))
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_any_chain(
    drive: Drive, chain: tuple[tuple[Step, ...], int, int, int, int], piece: int, seed: int, most: int
) -> None:
    steps, rate_hz, more, width, rows = chain
    try:
        made = front(audio(*steps, rate_hz=rate_hz), tensor((1, rows, width), "int16", 0.7))
    except ConvertError as refused:
        assert "No clip" in refused.message
        return
    samples = made.program.least + more % (made.program.most - made.program.least + 1)
    raw = Raw(noise(samples, seed, most).array, rate_hz)
    expected = quantized(made.program, raw)
    assert drive(made.image, raw, piece) == (0, expected)
    with NativeModel(made.image) as model:
        assert model.preprocess(raw, [piece, 1, 2]) == expected
        assert model.preprocess(raw) == expected


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_samples_are_those_of_the_float_step(from_hz: int, to_hz: int) -> None:
    """The sums differ by 2^-8 of a step at most, so that no more than one sample in 100 is rounded to the next one; and
    halves go up, on the host to even."""
    for seed, most in enumerate((30, 900, 32767)):
        raw = Raw(noise(3000, seed, most).array, from_hz)
        apart = np.abs(heard(raw, to_hz) - at_rate(raw, to_hz).array)
        assert apart.max() <= 1
        assert np.mean(apart) <= 0.01
    square = Raw(np.where(np.arange(999) // 7 % 2, 32767, -32768).astype(np.int16), from_hz)
    assert np.abs(heard(square, to_hz) - at_rate(square, to_hz).array).max() <= 1


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_the_table_is_the_float_step_s(from_hz: int, to_hz: int) -> None:
    made, table = record(from_hz, to_hz), resample_table(from_hz, to_hz)
    rows = [
        made.table[row] if row < len(made.table) else made.table[made.phases - row][::-1] for row in range(len(table))
    ]
    assert np.abs(np.ldexp(np.array(rows, np.float64), -TAP_BITS) - table).max() <= 2.0 ** -(TAP_BITS + 1) + 1e-15
    assert made.taps * 2.0**15 * (2.0 ** -(TAP_BITS + 1) + 1e-15) < 2.0**-8
    assert (made.phases, made.down) == (to_hz // gcd(from_hz, to_hz), from_hz // gcd(from_hz, to_hz))


def test_what_rises_above_16_bits_is_held() -> None:
    raw = Raw(np.where(np.arange(900) // 30 % 2, 32767, -32768).astype(np.int16), 16_000)
    found = heard(raw, 44_100)
    assert (found.max(), found.min()) == (32767, -32768)


@pytest.mark.parametrize("from_hz", [8000, 22_050, 44_100, 48_000])
def test_features_are_those_of_the_float_chain(from_hz: int) -> None:
    """Of loud audio 97 in 100 int8 values are equal, none is more than 1 away. 16 bits lose as much of quiet
    audio as they do where the host resamples: there 99 in 100 are equal."""
    preprocess = audio({"do": "resample", "rate_hz": 16_000}, {"do": "pad", "samples": 16_000}, *KWS, rate_hz=from_hz)
    rounded = audio({"do": "pad", "samples": 16_000}, *KWS)
    scale = 125 / 255
    program = front(preprocess, tensor((1, 49, 10), "int8", scale, -100)).program
    for seed, most in enumerate((30, 900, 32767)):
        raw = Raw(noise(from_hz, seed, most).array, from_hz)
        ours = np.frombuffer(quantized(program, raw), np.int8).astype(int)
        host = quantize(rounded.apply(at_rate(raw, 16_000)), "int8", scale, -100).astype(int).ravel()
        assert np.mean(ours == host) >= 0.99
        assert np.abs(ours - host).max() <= 1
    exact = quantize(preprocess.apply(raw), "int8", scale, -100).astype(int).ravel()
    assert np.mean(ours == exact) >= 0.97
    assert np.abs(ours - exact).max() <= 1


@pytest.mark.parametrize("from_hz", [8000, 44_100])
def test_micro_hears_16_bits(drive: Drive, from_hz: int) -> None:
    preprocess = audio({"do": "resample", "rate_hz": 16_000}, {"do": "micro"}, rate_hz=from_hz)
    made = front(preprocess, tensor((1, 9, 40), "int16", 1.0))
    raw = Raw(noise(made.program.least, 2).array, from_hz)
    behind = front(audio({"do": "micro"}), tensor((1, 9, 40), "int16", 1.0))
    expected = quantized(behind.program, Raw(heard(raw, 16_000).astype(np.int16), 16_000))
    assert heard_hz(made.program) == 16_000
    assert quantized(made.program, raw) == expected
    assert drive(made.image, raw, 77) == (0, expected)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44_100, 16_000), (16_000, 44_100), (48_000, 16_000), (8000, 48_000)])
def test_every_length_that_gives_the_rows_is_taken_and_no_other(drive: Drive, from_hz: int, to_hz: int) -> None:
    steps = {"do": "resample", "rate_hz": to_hz}, {"do": "frame", "length": 30, "step": 20}, SPECTRUM
    made = front(audio(*steps, rate_hz=from_hz), tensor((1, 3, 17)))
    least, most = made.program.least, made.program.most
    first = record(from_hz, to_hz)
    assert resampled(first, least - 1) < 70 <= resampled(first, least) <= resampled(first, most) <= 89
    assert resampled(first, most + 1) > 89
    for samples in (least - 1, least, most, most + 1):
        status, data = drive(made.image, Raw(noise(samples).array, from_hz))
        assert (status == 0) == (least <= samples <= most)
        assert status == 0 or b"shorter or longer" in data


@given(st.sampled_from(PAIRS), st.integers(1, 1 << 26))
@settings(max_examples=100)
def test_lengths_go_together(pair: tuple[int, int], samples: int) -> None:
    made = record(*pair)
    assert resampled(made, fewest(made, samples)) >= samples > resampled(made, fewest(made, samples) - 1)
    assert resampled(made, longest(made, samples)) <= samples < resampled(made, longest(made, samples) + 1)
    assert resampled(None, samples) == fewest(None, samples) == longest(None, samples) == samples


def test_memory_is_that_of_the_filter_and_one_frame() -> None:
    steps = {"do": "resample", "rate_hz": 16_000}, *KWS[:3]
    program = lower(audio(*steps, rate_hz=48_000), tensor((1, 49, 257)))
    assert program is not None
    sizes = {memory.name: memory.size_bytes for memory in program.memories}
    assert (sizes["history"], sizes["clip"]) == (4 * 96, 2 * 481)


def test_a_golden_vector_of_a_second_at_48_khz(drive: Drive) -> None:
    steps = (
        {"do": "resample", "rate_hz": 16_000},
        {"do": "frame", "length": 480, "step": 320},
        {"do": "spectrum", "fft": 512},
    )
    raw, given = Raw(noise(48_000).array, 48_000), tensor((1, 49, 257))
    plain = front(audio(*steps, rate_hz=48_000), given)
    padded = front(audio(steps[0], {"do": "pad", "samples": 16_000}, *steps[1:], rate_hz=48_000), given)
    for made in (plain, padded):
        found = golden_raw(made.program, [Raw(np.tile(raw.array, 2), 48_000), raw])
        assert found is not None
        kept, data = found
        assert len(kept.array) == (48_000 if made is plain else 47_998)
        assert data == quantized(made.program, kept)
        assert drive(made.image, kept) == (0, data)


@pytest.mark.parametrize(
    ("steps", "why", "hint"),
    [
        (
            ({"do": "pad", "samples": 300}, {"do": "resample", "rate_hz": 16_000}),
            r"Step 2 \(resample\).*first step",
            "a pad behind it",
        ),
        (
            ({"do": "resample", "rate_hz": 16_000}, {"do": "resample", "rate_hz": 8000}),
            r"Step 2 \(resample\).*first step, once",
            "before the others",
        ),
        (({"do": "resample", "rate_hz": 16_001},), r"Step 1 \(resample\).*8001 x 96 filter taps", "common divisor"),
        (
            ({"do": "resample", "rate_hz": 16_000}, {"do": "peak"}, {"do": "pad", "samples": 70}),
            r"Step 3 \(pad\).*but for resample",
            "external",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(steps: tuple[Step, ...], why: str, hint: str) -> None:
    with pytest.raises(ConvertError, match=why) as refused:
        front(audio(*steps, {"do": "frame", "length": 30, "step": 20}, SPECTRUM, rate_hz=48_000), tensor((1, 3, 17)))
    assert hint in refused.value.hint


def test_rows_that_no_clip_fills_are_refused() -> None:
    steps = {"do": "resample", "rate_hz": 48_000}, {"do": "frame", "length": 29, "step": 1}, SPECTRUM
    with pytest.raises(ConvertError, match="No clip has 31 to 31 samples once it is resampled"):
        front(audio(*steps, rate_hz=8000), tensor((1, 3, 17)))


def spoilt(made: Front, field: int, value: int) -> bytes:
    """The image with one field of its resample record changed: kind, length, phases, down, taps, table, history."""
    data = bytearray(made.image)
    place = ENVELOPE.size + BODY.unpack_from(data, ENVELOPE.size)[-3] + p.HEAD.size
    fields = list(RECORD.unpack_from(data, place))
    assert fields[:2] == [6, RECORD.size]
    fields[field] = value
    RECORD.pack_into(data, place, *fields)
    return bytes(data)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (2, (0, 768_001, 0xFFFFFFFF, 1000)),  # phases: the last one has no such table
        (3, (0, 768_001, 0xFFFFFFFF)),
        (4, (0, 1, 3, 32_769, 32_770, 0xFFFFFFFE, 30_000)),
        (5, (0, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFF, 0xFFFFFFFC)),
        (6, (1, 0x7FFFFFFE, 0x80000000, 0xFFFFFFFF)),
        (1, (20, 28)),
    ],
)
def test_a_hostile_record_is_refused(drive: Drive, field: int, values: tuple[int, ...]) -> None:
    steps = {"do": "resample", "rate_hz": 16_000}, {"do": "frame", "length": 30, "step": 20}, SPECTRUM
    made = front(audio(*steps, rate_hz=32_000), tensor((1, 3, 17)))
    raw = Raw(noise(made.program.least).array, 32_000)
    assert drive(made.image, raw)[0] == 0
    for value in values:
        assert drive(spoilt(made, field, value), raw, arena_bytes=ARENA_BYTES)[0] == INVALID


def test_firmware_that_does_not_know_the_record_refuses_it(drive: Drive) -> None:
    """As any kind that it does not know, before a release serves: kinds are never redefined."""
    steps = {"do": "resample", "rate_hz": 16_000}, {"do": "frame", "length": 30, "step": 20}, SPECTRUM
    made = front(audio(*steps, rate_hz=32_000), tensor((1, 3, 17)))
    assert drive(spoilt(made, 0, 7), noise(9), arena_bytes=ARENA_BYTES)[0] == UNSUPPORTED
    assert drive(spoilt(made, 0, 99), noise(9), arena_bytes=ARENA_BYTES)[0] == UNSUPPORTED


def test_a_resample_behind_another_record_is_refused(drive: Drive) -> None:
    """Two of them, the second where the pad was: its length is another, and its place too."""
    steps = {"do": "resample", "rate_hz": 16_000}, {"do": "frame", "length": 30, "step": 20}, SPECTRUM
    made = front(audio(*steps, rate_hz=32_000), tensor((1, 3, 17)))
    data = bytearray(made.image)
    place = ENVELOPE.size + BODY.unpack_from(data, ENVELOPE.size)[-3] + p.HEAD.size
    data[place + RECORD.size : place + RECORD.size + 2] = struct.pack("<H", 6)
    assert drive(bytes(data), noise(9), arena_bytes=ARENA_BYTES)[0] == INVALID
