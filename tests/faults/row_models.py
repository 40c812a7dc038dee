"""Twelve releases that must not serve: each is refused or reverted, the command says why and how it ended, the release
that served serves, and a good one is deployed afterwards.

Eleven are deployed by the real command to the real daemon over `local:`, with models that really do these things
(tests/cases/models/moody.tflite); the one whose arena is too big goes to the firmware as a process of this machine.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundles import make_bundle, tiny
from fault_lab import PATIENCE_S, Daemon, Lab, PipeLink, Skip, converges, made
from fault_table import Row
from mcu import Process, build_process, make_mcu_bundle
from moody_models import CRASHES, EATS, HANGS, MODELS, NAN

from edgeq.bundle import Bundle, canonical_json, write_bundle
from edgeq.deploy import deploy
from edgeq.device.address import local_store
from edgeq.device.device import Device
from edgeq.firmware import ELF
from edgeq.interface import Interface, Tensor
from edgeq.link.tcp import TcpLink
from edgeq.protocol import cbor
from edgeq.transaction.confirm import ConfirmPolicy

SHORT = Path(__file__).with_name("short_daemon.py")
CALM = 5
"""A mood in which moody.tflite answers."""
WEIGHTS = slice(640, 652)
"""Of the tiny model's last layer."""
ARENA_AT = 48
"""Where an image's envelope says how large an arena it needs."""


@dataclass(frozen=True)
class Bad:
    """A release that must not serve: what it is made of, and how the command ends. `then` are the moods of inferences
    during its trial; `state` is its own in the end, empty where it never came to be a release."""

    name: str
    make: Callable[[Path], Bundle]
    code: int
    words: tuple[str, ...]
    state: str = ""
    more: tuple[str, ...] = ()
    then: tuple[int, ...] = ()


def mood(value: int) -> bytes:
    """An input of the moody models."""
    return bytes([value]) + bytes(63)


def _made(folder: Path, members: Mapping[str, bytes], **manifest: Any) -> Bundle:
    """The tiny bundle with these members in place of its own."""
    plain = make_bundle(folder.with_name(folder.name + "-plain"), name=folder.name)
    return write_bundle(
        folder,
        {**{name: plain.path(name).read_bytes() for name in plain.files}, **members},
        {**plain.manifest, **manifest},
    )


def _moody(at: int, **manifest: Any) -> Callable[[Path], Bundle]:
    """Its builder's device answered, whose golden vector this one dies of."""
    golden = {"inputs": [[mood(CALM)], [mood(at)]], "outputs": [[b"\4\4\4"], [b"\4\4\4"]]}
    members = {"model.tflite": (MODELS / "moody.tflite").read_bytes(), "golden.cbor": cbor.dumps(golden)}
    return lambda folder: _made(folder, members, **manifest)


def _wrong_weights(folder: Path) -> Bundle:
    model = bytearray(tiny()[0])
    model[WEIGHTS] = bytes(byte ^ 0x55 for byte in model[WEIGHTS])
    return make_bundle(folder, name=folder.name, model=bytes(model))


def _nan(folder: Path) -> Bundle:
    wanted = b"\0\0\x80\x3f\0\0\x80\x3f\0\0\xce\x42"  # 1, 1, 103
    (image,), labels = tiny()[1].inputs, tiny()[1].labels
    interface = Interface((image,), (Tensor("class", (1, 3), "float32", 0.0, 0),), labels=labels)
    members = {
        "model.tflite": (MODELS / "nan.tflite").read_bytes(),
        "golden.cbor": cbor.dumps({"inputs": [[mood(NAN)]], "outputs": [[wanted]]}),
        "interface.json": canonical_json(interface.to_json()),
    }
    return _made(folder, members)


def _swapped_labels(folder: Path) -> Bundle:
    inputs, outputs = tiny()[1].inputs, tiny()[1].outputs
    first, second, third = tiny()[1].labels
    return make_bundle(folder, name=folder.name, interface=Interface(inputs, outputs, labels=(second, first, third)))


def _damaged(folder: Path) -> Bundle:
    bundle = make_bundle(folder, name=folder.name)
    data = bytearray(bundle.path("model.tflite").read_bytes())
    data[len(data) // 2] ^= 1
    bundle.path("model.tflite").write_bytes(data)
    return bundle


def _plain(**manifest: Any) -> Callable[[Path], Bundle]:
    return lambda folder: make_bundle(folder, name=folder.name, **manifest)


def _policy(**keys: Any) -> dict[str, Any]:
    return {"confirm": ConfirmPolicy(**keys).to_json()}


BAD = (
    Bad("wrong-weights", _wrong_weights, 5, ("self-test", "golden vector", "off by", "tolerance"), "staged"),
    Bad("nan", _nan, 5, ("self-test", "golden vector", "off by inf"), "staged", ("--allow-interface-change",)),
    Bad("crash", _moody(CRASHES), 5, ("self-test", "killed by SIGFPE"), "staged"),
    Bad("hang", _moody(HANGS), 5, ("self-test", "no answer within 4 s"), "staged"),
    Bad("memory", _moody(EATS), 5, ("self-test", "FILL"), "staged"),
    Bad("arch", _plain(arch="armv6l"), 5, ("preflight", "armv6l", platform.machine())),
    Bad("swapped-labels", _swapped_labels, 5, ("interface", "labels")),
    Bad("damaged", _damaged, 6, ("model.tflite",)),
    Bad("slow", _plain(**_policy(latency_ms=0.0001)), 5, ("gates", "the policy allows 0.0001 ms"), "staged"),
    Bad("unhealthy", _plain(**_policy(health=("/bin/false",))), 1, ("health ended with exit code 1",), "bad"),
    Bad(
        "crash-in-trial",
        _moody(CALM, **_policy(good=100)),
        1,
        ("1 bad inference", "killed by SIGFPE"),
        "bad",
        then=(1, 2, 3, 4, 5, CRASHES),
    ),
)


@contextmanager
def _served(lab: Lab) -> Iterator[Path]:
    """A store on which the good release serves, behind `local:`."""
    store = lab.store("serving")
    home = store.parent / "home"
    home.mkdir()
    before, os.environ["EDGEQ_HOME"] = os.environ.get("EDGEQ_HOME"), str(home)
    daemon = Daemon(store, before=(sys.executable, str(SHORT)))
    try:
        local_store("local:").symlink_to(store)
        assert daemon.ready()
        yield store
    finally:
        daemon.end()
        if before is not None:
            os.environ["EDGEQ_HOME"] = before


def _serves(device: Device, lab: Lab, wanted: Bundle) -> None:
    """This release serves, says so, and answers as it should."""
    serving = device.installed().serving
    assert serving and serving.digest == wanted.digest, f"{serving} serves"
    assert serving.state == "confirmed", serving
    inputs, outputs = tiny()[2]
    assert device.invoke(inputs[0][0]) == outputs[0][0], "the answer is another one"


def _command(bundle: Bundle, bad: Bad) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgeq", "deploy", bundle.folder, "--to", "local:", "-q", *bad.more]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _ended(command: subprocess.Popen[str], device: Device, bad: Bad) -> tuple[int, str]:
    """Its exit code and its words, in spite of applications that use what is on trial."""
    try:
        _use(device, bad)
        said = command.communicate(timeout=4 * PATIENCE_S)[1]
    finally:
        command.kill()
        command.communicate()
    return command.returncode, said


def _use(device: Device, bad: Bad) -> None:
    """Applications use what is on trial; the last inference is answered by nothing but an error."""
    if not bad.then:
        return
    deadline = time.monotonic() + PATIENCE_S
    while (seen := device.installed().watch) is None or seen.waits == "for its self-test":
        assert time.monotonic() < deadline, "no trial"
        time.sleep(0.02)
    for value in bad.then[:-1]:
        assert device.invoke(mood(value)) == b"\4\4\4"
    try:
        device.invoke(mood(bad.then[-1]))
    except Exception as error:
        assert "SIGFPE" in str(error), error
    else:
        raise AssertionError("it answers")


def case(lab: Lab, number: int) -> None:
    if number == len(BAD):
        _arena(lab)
        return
    bad = BAD[number]
    if bad.name.startswith("crash") and platform.machine() not in ("x86_64", "i686"):
        raise Skip("this processor divides anything by -1 and lives")
    bundle = bad.make(lab.folder / "bad" / bad.name)
    with _served(lab) as store, Device(PipeLink(store), "local:", lambda: PipeLink(store)) as device:
        _serves(device, lab, lab.good)
        code, said = _ended(_command(bundle, bad), device, bad)
        assert code == bad.code, f"exit code {code}: {said}"
        _told(said, bad)
        _serves(device, lab, lab.good)
        found = {release.digest: release for release in device.installed().releases}.get(bundle.digest)
        assert (found.state if found else "") == bad.state, found
        assert not found or found.state != "bad" or found.why, "it does not say why"
        converges(device, lab.other)
        _serves(device, lab, lab.other)


def _told(said: str, bad: Bad) -> None:
    lines = said.strip().splitlines()
    assert len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("hint: "), said
    for words in (*bad.words, *(() if bad.code == 6 else ("release 1 (good", "serves"))):
        assert words in said, f"{words!r} is not in {said!r}"


# the microcontroller


def _firmware(lab: Lab) -> Path:
    if not (shutil.which("make") and shutil.which("gcc")):
        raise Skip("make or gcc is not installed")
    return made(lab, "firmware-process", build_process) / ELF


def _arena(lab: Lab) -> None:
    """An image that says that it needs a larger arena than there is: refused before anything is erased."""
    folder = lab.new()
    board = Process(_firmware(lab), folder / "flash")

    def larger(image: bytearray) -> None:
        image[ARENA_AT : ARENA_AT + 4] = (1 << 30).to_bytes(4, "little")

    try:
        with Device(TcpLink(board.address), board.address) as device:
            facts = device.describe()
            good, other, bad = (
                make_mcu_bundle(folder / name, name=name, target=facts["target"], arch=facts["arch"], **spoilt)
                for name, spoilt in (("good", {}), ("other", {}), ("bad", {"edit": larger}))
            )
            deploy(good, device)
            before = board.flash.read_bytes()
            try:
                deploy(bad, device)
            except Exception as error:
                said = str(error)
            else:
                raise AssertionError("it was taken")
            assert "arena" in said and "still serves" in said, said
            assert board.flash.read_bytes() == before, "something was erased or written"
            serving = device.installed().serving
            assert serving and serving.n == 1, serving
            deploy(other, device)
            serving = device.installed().serving
            assert serving and serving.name == "other" and serving.state == "confirmed", serving
    finally:
        board.kill()


ROW = Row(
    name="bad-models",
    what="bad models: wrong weights, NaN, crash, hang, memory, architecture, labels, damage, slow, unhealthy, crash in "
    "the trial, arena",
    cases=lambda lab: len(BAD) + 1,
    case=case,
    reduced=None,
)
