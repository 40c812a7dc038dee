"""Emulated Linux devices are data: what each shows of itself, and that its programs really run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq import emulate
from edgeq.agent.facts import parse_cpuinfo, userland
from edgeq.device.device import Device, silent
from edgeq.device.open import ssh_link
from edgeq.emulate.namespaces import MAGIC
from edgeq.emulate.state import RECIPES, folder_of
from edgeq.emulate.userlands import FOLDER, userlands
from edgeq.target import all_targets


@pytest.mark.parametrize(
    ("name", "model", "part"),
    [
        ("rpi4", b"Raspberry Pi 4 Model B Rev 1.4\0", "0xd08"),
        ("rpi-zero-2-w-32", b"Raspberry Pi Zero 2 W Rev 1.0\0", "0xd03"),
    ],
)
def test_it_shows_the_board(name: str, model: bytes, part: str, tmp_path: Path) -> None:
    found = userlands()[name]
    (tmp_path / "etc").mkdir()
    found.write(tmp_path)
    assert (tmp_path / "sys/firmware/devicetree/base/model").read_bytes() == model
    assert found.cpuinfo.count(f"CPU part\t: {part}") == found.cores == 4
    assert [line for line in found.cpuinfo.splitlines() if line.startswith("processor")][3] == "processor\t: 3"
    assert all(not name.startswith("/") for name in found.sys_files())
    assert parse_cpuinfo(found.cpuinfo)


@pytest.mark.parametrize("name", userlands())
def test_every_file_is_an_emulator_that_a_target_names(name: str) -> None:
    assert (FOLDER / f"{name}.toml").is_file()
    (target,) = [profile for profile in all_targets() if profile.emulator == name and profile.kind == "linux"]
    assert userland(userlands()[name].bits, target.cpu.arch) == target.cpu.arch


def test_the_registration_tells_the_architectures_apart() -> None:
    made = {name: MAGIC % each.elf for name, each in userlands().items()}
    assert made["rpi4"].endswith(rb"\x02\x00\xb7\x00")
    assert made["rpi-zero-2-w-32"].startswith(rb"\x7fELF\x01\x01")
    assert made["rpi-zero-2-w-32"].endswith(rb"\x02\x00\x28\x00")


@pytest.fixture(params=RECIPES)
def zero(request: pytest.FixtureRequest, lent_home: Path) -> Iterator[emulate.Instance]:
    """A 32-bit device by each recipe that works here."""
    recipe = next(item for item in emulate.probe("rpi-zero-2-w-32") if item.name == request.param)
    if not recipe.ok:
        pytest.skip(f"recipe {recipe.name} does not work here: {recipe.why}")
    key = f"test-{os.getpid()}-zero-{recipe.name}"
    try:
        yield emulate.start("rpi-zero-2-w-32", instance=key, recipe=recipe.name, reset=True)
    finally:
        emulate.stop("rpi-zero-2-w-32", instance=key)
        shutil.rmtree(folder_of(key), ignore_errors=True)


@pytest.mark.emulated
@pytest.mark.slow
def test_a_32_bit_device_says_so_whatever_its_kernel_says(zero: emulate.Instance) -> None:
    """With recipe system the kernel is 64-bit: `uname -m` says aarch64, and every program is 32-bit."""
    pytest.importorskip("paramiko")
    link = ssh_link(zero.address, silent, identity=zero.identity, known_hosts=zero.known_hosts)
    with Device(link, zero.address) as device:
        facts = device.describe()
    assert (facts["arch"], facts["bits"], facts["emulated"]) == ("armv7l", 32, True), json.dumps(facts)
    assert facts["kernel_arch"] == ("aarch64" if zero.recipe == "system" else "armv7l")
    assert facts["board"] == "Raspberry Pi Zero 2 W Rev 1.0"
    assert facts["numpy"].startswith("1.")
    assert facts["runtime"] is None
