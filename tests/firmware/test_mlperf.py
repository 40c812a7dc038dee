"""The DUT protocol of MLPerf Tiny on the line of the frames, driven as the public runner does."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import mlperf
import numpy as np
import pytest
from bundles import tiny
from cdrive import FIRMWARE
from hypothesis import given, settings
from hypothesis import strategies as st
from mcu import Process, make_image
from mlperf import FAMILY, Dut, Line, dut_bundle, gather
from ownboard import HUSH, WRITE, Board
from service import bundle_for

from edgeq.bundle import Bundle
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.protocol import contract, smp
from edgeq.protocol.framing import COBS, CONSOLE
from edgeq.protocol.smp import Message
from edgeq.quantize.golden import make_golden
from edgeq.runtime import Model

MLPERF_BYTES = 5 * 1024
"""Flash that it takes on a Cortex-M4 at -Os."""
ECHO = (smp.WRITE, smp.GROUP_OS, smp.OS_ECHO)
ROUNDED = 0.00051
"""Values are told with three digits."""
SILENCE = 501
"""Ticks of a `Board`, which has 1000 a second, after which no frame goes on."""
PARTS = ("eq_mlperf.c", "eq_mlperf_input.c", "eq_mlperf_measure.c", "eq_mlperf_results.c", "eq_mlperf_text.c")
TOUCHED = " ".join(f"core/{name}" for name in ("eq_core.c", "eq_infer.c", *PARTS))
"""The sources that the switch is for."""
COMMANDS = ("name", "profile", "timestamp", "db load 32", "db 00", "db print", "infer 1 0", "results", "help")


def say(board: Board, command: str) -> list[str]:
    """What a board answers to a command that comes after a silence; without the end of the answer."""
    board.now += SILENCE
    lines = board.feed(command.encode() + b"%").decode().split("\r\n")
    assert lines[-2:] == ["m-ready", ""]
    return lines[:-2]


def serving(library: ctypes.CDLL, image: bytes | None = None, **config: Any) -> Board:
    """A board on which an image serves, and which has heard no frame for a while."""
    board, data = Board(library, **config), make_image() if image is None else image
    client, digest = board.device().client, hashlib.sha256(data).digest()
    for offset in range(0, len(data), 1000):
        body = {"off": offset, "len": len(data), "sha": digest, "data": data[offset : offset + 1000]}
        client.request((smp.WRITE, smp.GROUP_IMAGE, 1), body)
    client.request((smp.WRITE, smp.GROUP_IMAGE, 0), {"hash": digest, "confirm": True})
    board.now += SILENCE
    return board


def sample() -> bytes:
    return tiny()[2][0][0][0]


def expected(data: bytes, model: bytes | None = None) -> list[float]:
    """What the model makes of an input, in values, by the runtime of microcontrollers."""
    return every_expected([data], model)[0]


def every_expected(inputs: list[bytes], model: bytes | None = None) -> list[list[float]]:
    used = tiny()[0] if model is None else model
    info = Model(used).outputs[0]
    rows = [np.frombuffer(row[0], np.int8) for row in make_golden(used, [[data] for data in inputs], FAMILY).outputs]
    return [[float((int(value) - info.zero_point) * info.scale) for value in row] for row in rows]


def test_the_commands_of_the_benchmark(library: ctypes.CDLL) -> None:
    board = serving(library)
    dut = Dut(lambda command: say(board, command))
    assert dut.name() == "edgeq a test"
    assert dut.profile() == {"profile": "ULPMark for tinyML Firmware V0.0.1", "model": "tiny"}
    assert say(board, f"db load {len(sample())}") == [f"m-[Expecting {len(sample())} bytes]"]
    assert dut.load(sample()) == ["m-load-done"]
    answer = dut.infer(3, 2)
    assert [line for line in answer.lines if not line.startswith(("m-lap-us-", "m-results-"))] == [
        "m-warmup-start-2", "m-warmup-done", "m-infer-start-3", "m-infer-done",
    ]  # fmt: skip
    assert list(answer.results) == pytest.approx(expected(sample()), abs=ROUNDED)
    assert gather(say(board, "results")).results == answer.results
    assert say(board, "infer")[0] == "m-warmup-start-10"
    assert "".join(say(board, "db print")).replace("m-buffer", "").replace("-", "") == sample().hex()
    assert len(say(board, "timestamp")) == 1


def test_more_bytes_than_are_expected_are_disregarded(library: ctypes.CDLL) -> None:
    board = serving(library)
    data = sample()
    say(board, f"db load {len(data)}")
    for at in range(0, len(data), 30):
        last = say(board, f"db {data[at : at + 30].ljust(30, b'x').hex().upper()}")
    assert last == ["m-load-done"]
    assert list(gather(say(board, "infer 1 0")).results) == pytest.approx(expected(data), abs=ROUNDED)
    assert say(board, "db 00") == ["e-[no bytes are expected; db load N comes first]"]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("foo", "Unknown command: foo"),
        ("names", "Unknown command: names"),
        ("nam", "Unknown command: nam"),
        ("a]b", "Unknown command: a_b"),
        ("x" * 81, "at most 80 characters"),
        ("x" * 700, "at most 80 characters"),
        ("db", "db needs"),
        ("db load", "number of bytes"),
        ("db load 0", "number of bytes"),
        ("db load -1", "number of bytes"),
        ("db load 1000001", "number of bytes"),
        ("db load 99999999999999999999", "number of bytes"),
        ("db load 1", "the input of the model has"),
        ("db 00", "no bytes are expected"),
        ("db 0", "is odd"),
        ("db 0g", "hexadecimal digits"),
        ("infer 0", "number of inferences"),
        ("infer -1", "number of inferences"),
        ("infer 1000001", "number of inferences"),
        ("infer 1 -1", "warm-up"),
        ("infer 1 x", "warm-up"),
        ("infer 1 0", "the input is not here"),
        ("results", "there are no results"),
    ],
)
def test_what_cannot_be_done_is_told(library: ctypes.CDLL, command: str, why: str) -> None:
    (line,) = say(serving(library), command)
    assert line.startswith("e-[") and line.endswith("]") and why in line


def test_the_longest_command_is_taken_whole(library: ctypes.CDLL) -> None:
    assert say(serving(library), "y" * 80) == [f"e-[Unknown command: {'y' * 80}]"]


def test_nothing_is_asked_of_a_board_without_a_release(library: ctypes.CDLL) -> None:
    board = Board(library)
    assert Dut(lambda command: say(board, command)).profile().keys() == {"profile"}
    for command in ("profile", "db load 4", "infer 1 0"):
        assert say(board, command)[-1] == "e-[no release is active on this device; deploy one first]"
    assert say(board, "results")[0].startswith("e-[")


def test_an_empty_command_and_line_ends_do_no_harm(library: ctypes.CDLL) -> None:
    board = serving(library)
    assert say(board, "") == say(board, "  ") == []
    board.now += SILENCE
    assert board.feed(b"rubbish\r\nname%\r\n").startswith(b"m-name-dut-[")
    assert board.feed(b"name%").startswith(b"m-name-dut-[")


def echo(text: str) -> bytes:
    return Message(*ECHO, 1, {"d": text}).encode()


@pytest.mark.parametrize("framing", [COBS, CONSOLE])
def test_frames_and_commands_share_the_line(library: ctypes.CDLL, framing: Any) -> None:
    board = serving(library)
    for text in ("", "name%", "infer 1 0%"):
        answer = board.feed(framing.encode(echo(text)))
        assert b"m-" not in answer
        assert framing.decoder().feed(answer)[0].body == {"r": text}
        assert board.feed(b"name%") == b""  # too soon after a frame to be sure
        assert say(board, "name") == ["m-name-dut-[edgeq a test]"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_rest_of_a_damaged_frame_is_no_command(library: ctypes.CDLL, command: str) -> None:
    """Wherever a frame lost bytes, and even where what is left of it looks like a command."""
    board = serving(library)
    frame = COBS.encode(echo(f"{command}%"))
    at = frame.index(command.encode())
    for cut in range(at):
        for more in (1, at - cut):
            board.now += SILENCE
            assert board.feed(COBS.encode(echo("before"))) != b""
            damaged = frame[:cut] + frame[cut + more :]
            assert b"m-ready" not in board.feed(damaged)
            assert b"m-ready" not in board.feed(f"{command}%".encode())


@settings(max_examples=60)
@given(data=st.binary(max_size=200), command=st.sampled_from(COMMANDS))
def test_no_bytes_that_may_be_of_a_frame_are_a_command(library: ctypes.CDLL, data: bytes, command: str) -> None:
    board = Board(library)
    board.feed(b"\x00")
    assert b"m-ready" not in board.feed(data + command.encode() + b"%")


@settings(max_examples=100)
@given(
    commands=st.lists(
        st.one_of(
            st.sampled_from(COMMANDS),
            st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="%"), max_size=120),
            st.builds("db {}".format, st.binary(max_size=38).map(bytes.hex)),
            st.builds("db load {}".format, st.integers(-2, 2000)),
            st.builds("infer {} {}".format, st.integers(-1, 3), st.integers(-1, 3)),
        ),
        max_size=12,
    )
)
def test_any_command_is_answered_and_frames_are_after_it(library: ctypes.CDLL, commands: list[str]) -> None:
    board = serving(library)
    for command in commands:
        assert all(0x20 <= ord(character) < 0x7F for line in say(board, command) for character in line)
    board.now += SILENCE
    assert board.ask(ECHO, {"d": "after"}) == {"r": "after"}


def test_an_input_in_pieces_of_the_hosts_is_not_mixed_with_the_benchmarks(library: ctypes.CDLL) -> None:
    board = serving(library)
    data, half = sample(), len(sample()) // 2
    Dut(lambda command: say(board, command)).load(data)
    request = {"run": 7, "off": 0, "len": len(data), "data": data[:half]}
    assert board.ask(contract.INVOKE, request) == {"off": half}
    assert say(board, "infer 1 0")[-1].startswith("m-results-[")
    assert board.ask(contract.INVOKE, {**request, "off": half, "data": data[half:]}) == {"off": 0}


def test_another_model_forgets_the_input(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as device:
        deploy(bundle_for(device, tmp_path, "first"), device)
    with connected(process) as line:
        Dut(line.talk).load(sample())
    with open_device(process.address) as device:
        deploy(bundle_for(device, tmp_path, "second"), device)
    with connected(process) as line:
        assert Dut(line.talk).profile()["model"] == "second"
        assert line.talk("infer 1 0") == ["e-[the input is not here; db load N and db HEX come first]", "m-ready"]


def test_a_job_that_runs_is_not_disturbed(library: ctypes.CDLL) -> None:
    board = serving(library)
    Dut(lambda command: say(board, command)).load(sample())
    board.now += SILENCE
    frame = COBS.encode(Message(*contract.BENCH, 9, {"runs": 50, "warmup": 0, "threads": 0}).encode())
    board._in += frame
    library.eq_core_poll(board._core)
    while board._in:
        library.eq_core_poll(board._core)
    board.now += SILENCE
    board._out.clear()
    board._in += b"infer 1 0%"
    library.eq_core_poll(board._core)
    assert board._out.startswith(b"e-[the device is busy")


def test_times_go_on_where_the_counter_wraps(library: ctypes.CDLL) -> None:
    board = serving(library, ticks_hz=1_000_000)
    board.now = 2**32 - 700_000
    first = int(say(board, "timestamp")[0].removeprefix("m-lap-us-"))
    for _ in range(5):
        board.now += 2**31
        board.feed(b"")
    board.now += SILENCE * 1000
    (line,) = board.feed(b"timestamp%").decode().split("\r\n")[:1]
    assert int(line.removeprefix("m-lap-us-")) - first == 5 * 2**31 + SILENCE * 1000


def test_the_trigger_marks_what_is_measured(library: ctypes.CDLL) -> None:
    """Its falling edges are the start and the end, and nothing is written in between."""
    board = serving(library, step=1, ticks_hz=1_000_000)
    calls: list[tuple[str, int]] = []

    def writes(context: None, data: Any, size: int) -> None:
        calls.append(("write", size))
        board._write(context, data, size)

    board.config.write = WRITE(writes)
    board.config.trigger = HUSH(lambda _, high: calls.append((f"pin {high}", board.now)))
    board.now += SILENCE * 1000
    Dut(lambda command: board.feed(command.encode() + b"%").decode().split("\r\n")).load(sample())
    calls.clear()
    told = gather(board.feed(b"infer 4 1%").decode().split("\r\n"))
    assert [call for call, _ in calls] == ["pin 1", "write", "write", "pin 0", "pin 1", "pin 0", "pin 1", "write"]
    edges = [at for call, at in calls if call == "pin 0"]
    assert calls[4][1] - calls[3][1] >= 10
    assert edges[1] - edges[0] == pytest.approx(told.elapsed_us, abs=20)


def test_the_watchdog_is_fed(library: ctypes.CDLL) -> None:
    board = serving(library)
    Dut(lambda command: say(board, command)).load(sample())
    board.watchdog.clear()
    say(board, "infer 20 0")
    assert board.watchdog.count("feed") >= 20


def test_a_model_that_fills_the_arena_leaves_no_room(library: ctypes.CDLL) -> None:
    image = make_image()
    board = serving(library, image, arena_bytes=int.from_bytes(image[48:52], "little"))
    assert say(board, f"db load {len(sample())}") == [
        "e-[the model leaves no room in the arena for an input that waits]"
    ]


def test_pixels_come_unsigned(library: ctypes.CDLL) -> None:
    board = serving(library, make_image(name="ic01"))
    dut, pixels = Dut(lambda command: say(board, command)), bytes(byte ^ 0x80 for byte in sample())
    dut.load(pixels)
    assert list(dut.infer(1, 0).results) == pytest.approx(expected(sample()), abs=ROUNDED)
    assert "".join(say(board, "db print")).replace("m-buffer", "").replace("-", "") == pixels.hex()


def test_float_values_are_quantized_on_the_device(library: ctypes.CDLL) -> None:
    board, info = serving(library), tiny()[1].inputs[0]
    values = (np.frombuffer(sample(), np.int8).astype(np.float32) - info.zero_point) * np.float32(info.scale)
    dut = Dut(lambda command: say(board, command), piece_bytes=26)
    dut.load(values.astype("<f4").tobytes())
    assert list(dut.infer(2, 0).results) == pytest.approx(expected(sample()), abs=ROUNDED)


@pytest.fixture
def triggered(edges: Path, process: Process) -> Process:
    return process


def connected(process: Process) -> Line:
    time.sleep(0.6)  # longer than a pause inside a frame
    return Line(process.address)


def install(process: Process, folder: Path, name: str, model: bytes, inputs: list[bytes]) -> Bundle:
    with open_device(process.address) as device:
        bundle = dut_bundle(folder / name, name, model, inputs, device.describe())
        deploy(bundle, device)
    return bundle


def kws(folder: Path, count: int) -> tuple[bytes, list[bytes], list[int]]:
    """The keyword model, samples and their classes."""
    data = np.load(folder / "kws01_mfcc_int8.npz")
    model = (folder / "kws_mlperf_int8.tflite").read_bytes()
    return model, [row.tobytes() for row in data["x"][:count]], [int(label) for label in data["y"][:count]]


def test_keywords_are_recognized_in_every_mode(
    shared_models: Path, triggered: Process, edges: Path, tmp_path: Path
) -> None:
    model, samples, labels = kws(shared_models, 15)
    install(triggered, tmp_path, "kws01", model, samples[:1])
    with connected(triggered) as line:
        dut = Dut(line.talk)
        assert dut.profile()["model"] == "kws01"
        share, rows = dut.accuracy(samples, labels)
        assert share >= 12 / 15
        for row, wanted in zip(rows, every_expected(samples, model), strict=True):
            assert row == pytest.approx(wanted, abs=ROUNDED)
        edges.write_text("")
        window, *_ = dut.performance(samples[0], 3, 1, windows=1)
    assert window.elapsed_us > 0
    assert not any(text.startswith("m-[") for text in window.lines)  # this clock tells time
    falls = [int(at) for high, at in map(str.split, edges.read_text().splitlines()) if high == "0"]
    assert len(falls) == 2
    assert 0 <= (falls[1] - falls[0]) / 1000 - window.elapsed_us < 0.1 * window.elapsed_us + 500


def test_an_anomaly_is_a_score(shared_models: Path, process: Process, tmp_path: Path) -> None:
    model = (shared_models / "ad_mlperf_int8.tflite").read_bytes()
    clip = np.load(shared_models / "ad01_logmel_f16.npz")["x"][0].reshape(200, 128)
    window = clip[:5].reshape(-1).astype("<f4")
    runtime = Model(model)
    given, made = runtime.inputs[0], runtime.outputs[0]
    quantized = np.clip(np.round(window / given.scale + given.zero_point), -128, 127).astype(np.int8).tobytes()
    install(process, tmp_path, "ad01", model, [quantized])
    with connected(process) as line:
        dut = Dut(line.talk)
        assert dut.load(window.tobytes()) == ["m-load-done", "m-ready"]
        (told,) = dut.infer(1, 0).results
    (raw,) = runtime.invoke([quantized])
    output = (np.frombuffer(raw, np.int8).astype(float) - made.zero_point) * made.scale
    assert told == pytest.approx(float(np.mean((output - window) ** 2)), rel=0.02)


@pytest.mark.slow
def test_the_emulated_board_counts_instructions_and_says_so(
    shared_models: Path, board_address: str, tmp_path: Path
) -> None:
    model, samples, labels = kws(shared_models, 20)
    with open_device(board_address) as device:
        deploy(dut_bundle(tmp_path / "kws01", "kws01", model, samples[:1], device.describe()), device)
        counted = device.bench(3, 1, 0)
    mlperf.settle()
    with Line(resolved(board_address)) as line:
        dut = Dut(line.talk)
        assert dut.name() == "edgeq Arm MPS2+ AN386, emulated by QEMU"
        share, rows = dut.accuracy(samples, labels)
        windows = dut.performance(samples[0], 5, 1, windows=3)
    assert share >= 16 / 20
    for row, wanted in zip(rows, every_expected(samples, model), strict=True):
        assert row == pytest.approx(wanted, abs=ROUNDED)
    assert "m-[m-lap-us counts the instructions of an emulator, which are no time]" in windows[0].lines
    assert max(window.elapsed_us for window in windows) - min(window.elapsed_us for window in windows) <= 1
    assert counted  # compared in benchmarks/mlperf.py


def resolved(address: str) -> str:
    """The line of an emulated board."""
    from edgeq import emulate

    return emulate.start(address.removeprefix("qemu:")).address if address.startswith("qemu:") else address


def make(target: str, folder: Path, switch: int, *variables: str) -> str:
    for tool in ("make", "gcc", "clang", "arm-none-eabi-gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    command = ["make", "-s", "-C", FIRMWARE, target, f"MLPERF={switch}", f"BUILD={folder}", f"CORE={TOUCHED}"]
    done = subprocess.run([*command, *variables], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_a_switch_that_costs_nothing_where_it_is_off(tmp_path: Path) -> None:
    off, on = (
        {
            row.split()[-1]: [int(word) for word in row.split()[:3]]
            for row in make("size", tmp_path, switch).splitlines()[1:]
        }
        for switch in (0, 1)
    )
    objects = [name.replace(".c", ".o") for name in PARTS]
    assert [off[name] for name in objects] == [[0, 0, 0]] * len(PARTS)
    assert 0 < on["(TOTALS)"][0] - off["(TOTALS)"][0] <= MLPERF_BYTES
    assert on["(TOTALS)"][1:3] == [0, 0]
    names = subprocess.run(
        ["arm-none-eabi-nm", "-u", *(tmp_path / name for name in objects)], capture_output=True, text=True, check=True
    )
    words = {word for word in names.stdout.split() if word != "U" and not word.endswith(".o:")}
    foreign = {name for name in words if not name.startswith("eq_")}
    assert foreign <= {"memcpy", "memset", "memcmp"}


def test_every_compiler_is_content_with_it(tmp_path: Path) -> None:
    assert make("check", tmp_path, 1, f"CHECKED={TOUCHED}") == ""
