"""After `edgeq fetch` the whole path of the README works with EDGEQ_OFFLINE=1 where there is no network at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_readme import BLOCKS

from edgeq import emulate
from edgeq.device.open import open_device
from edgeq.errors import EdgeqError
from edgeq.fetch import fetch_target
from edgeq.target import load_target

NO_NETWORK = """
import socket, sys
probe = socket.socket()
probe.settimeout(2)
try:
    probe.connect(("192.0.2.1", 9))  # TEST-NET-1
except OSError as error:
    sys.exit(0 if error.errno == 101 else str(error))  # ENETUNREACH
sys.exit("there is a network")
"""


def without_network(script: str, folder: Path, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a network namespace that has nothing but a loopback."""
    path = f"{Path(sys.executable).parent}:/usr/sbin:/sbin:{os.environ['PATH']}"
    return subprocess.run(
        ["unshare", "--map-root-user", "--net", "sh", "-c", f"set -eu\nip link set lo up\n{script}"],
        cwd=folder,
        env={**os.environ, "PATH": path, "EDGEQ_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


@pytest.fixture(scope="module", autouse=True)
def namespaces(tmp_path_factory: pytest.TempPathFactory) -> None:
    for program, package in (("unshare", "util-linux"), ("ip", "iproute2")):
        if shutil.which(program, path=f"/usr/sbin:/sbin:{os.environ['PATH']}") is None:
            pytest.skip(f"{program} is not installed ({package})")
    done = without_network(f"'{sys.executable}' -c '{NO_NETWORK}'", tmp_path_factory.mktemp("try"), 30)
    if done.returncode:
        pytest.skip(f"this machine gives no network namespace: {done.stderr.strip()[-200:]}")


@pytest.mark.emulated
@pytest.mark.slow
def test_the_readme_s_commands_need_no_network_after_a_fetch(tmp_path: Path, lent_home: Path) -> None:
    if not any(recipe.ok for recipe in emulate.probe("rpi4")):
        pytest.skip("this machine allows no recipe for an emulated Pi")
    try:
        fetch_target(load_target("rpi4"), emulator=True)
    except EdgeqError as error:
        pytest.skip(f"the caches cannot be filled: {error.message}")
    try:
        done = without_network("\n".join(BLOCKS), tmp_path, 400)
    finally:
        emulate.stop("rpi4")
        with open_device("local:") as device:
            device.reset()
    assert done.returncode == 0, done.stderr[-3000:]
    (pi,) = (tmp_path / "digits" / "runs").glob("*-pi.json")
    assert json.loads(pi.read_text(encoding="utf-8"))["device"]["emulated"] is True


def test_what_is_not_there_is_told_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    done = without_network("edgeq fetch --target rpi4 --json || test $? = 2", tmp_path, 60)
    assert done.returncode == 0, done.stderr
    error = json.loads(done.stdout)["error"]
    assert "EDGEQ_OFFLINE is set" in error["message"]
    assert "edgeq fetch --target" in error["hint"]
