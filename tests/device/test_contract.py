"""The device contract: the same body over every link - in this process, a child process, SSH, an emulated Pi, firmware
as a process, firmware on an emulated board."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bundles import LABELS, make_bundle, tiny
from inmemory import connect, service_at
from mcu import BOARD, Process, make_mcu_bundle

from edgeq import emulate
from edgeq.bundle import Bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.emulate.firmware import VARIABLE
from edgeq.errors import DeviceError, UsageError
from edgeq.infer import infer
from edgeq.link.ssh_openssh import PROGRAM_VARIABLE
from edgeq.profile import profile
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.runtimes import wheels_for

Open = Callable[[], Device]
MakeBundle = Callable[..., Bundle]


@pytest.fixture(
    params=[
        "memory:",
        "local:",
        "openssh:",
        "paramiko:",
        pytest.param("qemu:rpi4", marks=[pytest.mark.emulated, pytest.mark.xdist_group("rpi4")]),
        "tcp:",
        f"qemu:{BOARD}",
    ]
)
def open_it(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the device of one link, with an empty store; every call is a new connection to the same store."""
    openers = {
        "memory:": _memory,
        "local:": _local,
        "openssh:": _openssh,
        "paramiko:": _paramiko,
        "qemu:rpi4": _qemu,
        "tcp:": _process,
        f"qemu:{BOARD}": _board,
    }
    yield from openers[request.param](request, tmp_path)


def _memory(_request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    with service_at(tmp_path / "store") as service:
        yield lambda: connect(service)


def _local(_request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Open]:
    yield lambda: open_device("local:")
    with open_device("local:") as device:
        device.reset()


def _openssh(request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Open]:
    yield from _remote(request.getfixturevalue("loopback_ssh"))


def _paramiko(request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Open]:
    request.getfixturevalue("monkeypatch").setenv(PROGRAM_VARIABLE, "")
    yield from _remote(request.getfixturevalue("loopback_ssh"))


def _qemu(request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Open]:
    yield from _remote(request.getfixturevalue("emulated_pi"))


def _process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    process = Process(request.getfixturevalue("firmware_process"), tmp_path / "flash.bin")
    yield lambda: open_device(process.address)
    process.kill()


def _board(request: pytest.FixtureRequest, _tmp_path: Path) -> Iterator[Open]:
    elf = request.getfixturevalue("firmware_board")
    request.getfixturevalue("monkeypatch").setenv(VARIABLE, str(elf))
    yield lambda: open_device(f"qemu:{BOARD}")
    emulate.stop(BOARD)


def _remote(address: str) -> Iterator[Open]:
    yield lambda: open_device(address)
    with open_device(address) as device:
        device.reset()


@pytest.fixture
def bundle(open_it: Open, tmp_path: Path) -> MakeBundle:
    """Makes bundles for the device behind the link."""
    with open_it() as device:
        facts = device.describe()
    arch = facts["arch"]
    if facts["kind"] == "mcu":
        return lambda name="tiny", **spoilt: make_mcu_bundle(
            tmp_path / f"bundle-{name}", **{"name": name, "arch": arch, "target": facts["target"], **spoilt}
        )
    wheels = wheels_for("ai-edge-litert", "2.3.0", arch) if arch != platform.machine() else []

    def make(name: str = "tiny", **spoilt: object) -> Bundle:
        return make_bundle(tmp_path / f"bundle-{name}", **{"name": name, "arch": arch, "wheels": wheels, **spoilt})  # type: ignore[arg-type]

    return make


def test_from_empty_to_serving_and_back(open_it: Open, bundle: MakeBundle) -> None:
    first, second = bundle("first"), bundle("second")
    with open_it() as device:
        assert device.releases() == []
        with pytest.raises(DeviceError, match="no release is active") as no:
            device.invoke(b"x")
        assert no.value.message.startswith(f"{device.address} says no: "), "the address that was given"
        assert no.value.status == Status.STATE
        with pytest.raises(DeviceError) as no:
            device.rollback()
        assert no.value.status == Status.STATE

        done = deploy(first, device)
        assert done.changed
        assert done.golden["vectors"] == 4
        again = deploy(first, device)
        assert (again.changed, again.n) == (False, done.n)

        third = deploy(second, device)
        assert third.previous == done.n
        assert [(item.name, item.state, item.serving, item.previous) for item in device.releases()] == [
            ("first", "confirmed", False, True),
            ("second", "confirmed", True, False),
        ]
        assert device.rollback() == done.n
        assert device.manifest()["name"] == "first"
    with open_it() as device:
        assert [item.serving for item in device.releases()] == [True, False]
        assert device.interface().labels == LABELS


def test_inference_quantizes_by_the_interface(open_it: Open, bundle: MakeBundle) -> None:
    _, interface, (inputs, outputs) = tiny()
    tensor = interface.inputs[0]
    raw = np.frombuffer(b"".join(sample[0] for sample in inputs), np.int8).reshape(-1, *tensor.shape[1:])
    expected = np.frombuffer(b"".join(sample[0] for sample in outputs), np.int8).reshape(len(raw), -1)
    with open_it() as device:
        deploy(bundle(), device)
        got = infer(device, [raw], raw=True)[0]
        assert np.abs(got.astype(int) - expected).max() <= 1
        real = infer(device, [tensor.dequantize(raw)])[0]
        np.testing.assert_array_equal(real, interface.outputs[0].dequantize(got))
        many = infer(device, [np.repeat(raw, 50, 0)], raw=True)[0]
        np.testing.assert_array_equal(many, np.repeat(got, 50, 0))
        with pytest.raises(UsageError, match="wants shape"):
            infer(device, [raw[:, :4]])
        with pytest.raises(DeviceError, match="not whole samples"):
            device.invoke(b"12345")


def test_a_bench_keeps_every_sample(open_it: Open, bundle: MakeBundle) -> None:
    with open_it() as device:
        deploy(bundle(), device)
        answer = device.bench(runs=100, warmup=7, threads=1)
    unit = "ns" if "init_ns" in answer else "instructions"
    assert (len(answer[f"invoke_{unit}"]), len(answer[f"warmup_{unit}"])) == (100, 7)
    assert all(sample > 0 for sample in answer[f"invoke_{unit}"])
    assert answer[f"init_{unit}"] > 0
    assert answer[f"first_{unit}"] > 0
    if "arena_bytes" in answer:
        assert answer["arena_bytes"] > 0
    else:
        assert answer["rss_peak"] > answer["rss_load"] >= 0


def test_a_profile_tells_each_op(open_it: Open, bundle: MakeBundle) -> None:
    made = bundle()
    with open_it() as device:
        deploy(made, device)
        table = profile(device, runs=2, bundle=made.folder).table
    expected = ["CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    assert [op["op"] for op in table["ops"]] == expected
    assert [op["index"] for op in table["ops"]] == [0, 1, 2, 3, 4]
    assert table["runs"] == 2 and table["whole"] > 0


SPOILT: dict[str, tuple[dict[str, object], Status]] = {
    "wrong outputs": ({"outputs": lambda data: bytes(255 - byte for byte in data)}, Status.SELFTEST),
    "short outputs": ({"outputs": lambda data: data[:-1]}, Status.SELFTEST),
    "no model": ({"model": b"not a model at all, but long enough to be tried"}, Status.RUNTIME),
}


def test_a_bad_bundle_never_serves(open_it: Open, bundle: MakeBundle) -> None:
    """On the emulated Pi, which takes long for each, only the one that its runtime has to refuse: the rest of the agent
    is the one of the other links."""
    with open_it() as device:
        facts = device.describe()
        on_pi = facts["kind"] == "linux" and facts["emulated"]
        good = deploy(bundle("good"), device)
        for name, (spoilt, status) in SPOILT.items():
            if on_pi and name != "no model":
                continue
            bad = bundle(name.replace(" ", "-"), **spoilt)
            for _ in range(2 if name == "short outputs" else 1):  # and refused again, where it was before
                with pytest.raises(DeviceError) as no:
                    deploy(bad, device)
                assert no.value.status == status, name
            assert next(item for item in device.releases() if item.serving).n == good.n, name
            assert device.selftest()["vectors"] == 4, name


def test_the_wrong_architecture_is_refused_before_anything_is_sent(open_it: Open, bundle: MakeBundle) -> None:
    with open_it() as device:
        with pytest.raises(DeviceError, match="is for riscv64") as no:
            deploy(bundle(arch="riscv64"), device)
        assert no.value.status == Status.MISMATCH
        assert device.releases() == []


def test_an_interrupted_upload_is_resumed(open_it: Open, bundle: MakeBundle) -> None:
    whole = bundle()
    # A microcontroller takes only what begins as an image; elsewhere earlier tests may have left a bundle's own blobs.
    image = "image.eqi" in whole.device_files
    data = whole.path("image.eqi").read_bytes() if image else os.urandom(5000)
    sha = hashlib.sha256(data).hexdigest()
    first = {"sha": bytes.fromhex(sha), "off": 0, "len": len(data), "data": data[:1000]}
    with open_it() as device:
        device.client.request(contract.BLOB_PUT, first)
    with open_it() as device:
        assert device.missing([sha]) == {sha: 1000}
        device.put(sha, data, 1000, lambda _: None)
        assert device.missing([sha]) == {}
        with pytest.raises(DeviceError) as no:
            device.put("0" * 64, b"something else", 0, lambda _: None)
        assert no.value.status == Status.DIGEST
        assert device.missing(["0" * 64]) == {"0" * 64: 0}
