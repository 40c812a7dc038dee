"""The examples run on an emulated Raspberry Pi as they stand."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle, tiny

from edgeq import emulate
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.runtimes import wheels_for

pytestmark = [pytest.mark.emulated, pytest.mark.slow]
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_both_ways_on_an_emulated_pi(tmp_path: Path, lent_home: Path) -> None:
    if not any(recipe.ok for recipe in emulate.probe("rpi4")):
        pytest.skip("this machine allows no recipe for an emulated Pi")
    wheels = wheels_for("ai-edge-litert", "2.3.0", "aarch64")
    bundle = make_bundle(tmp_path / "b", arch="aarch64", wheels=wheels)
    tensor = tiny()[1].inputs[0]
    values = tensor.dequantize(np.random.default_rng(0).integers(-128, 128, tensor.shape, np.int8)).tolist()
    try:
        with open_device("qemu:rpi4") as device:
            deploy(bundle, device)
            told = {name: run_there(EXAMPLES / name, values) for name in ("predict.py", "own_runtime.py")}
            device.reset()
    finally:
        emulate.stop("rpi4")
    label, score = told["own_runtime.py"].split()[1:]
    assert label in tiny()[1].labels
    assert told["predict.py"].split()[1:3] == [label, score]


def run_there(program: Path, values: object) -> str:
    """Copy a program and its input to the Pi as a user would, run it there, and return the line that it prints."""
    pi = emulate.start("rpi4")
    user, _, port = pi.address.removeprefix("ssh://").rpartition(":")
    options = ["-F", "none", "-o", f"UserKnownHostsFile={pi.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
    options += ["-i", str(pi.identity), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    copy = ["ssh", *options, "-p", port, user, "cat > app.py"]
    subprocess.run(copy, input=program.read_bytes(), check=True, timeout=60)
    script = "cat > values.json && python3 app.py values.json"
    done = subprocess.run(
        ["ssh", *options, "-p", port, user, script], input=json.dumps(values).encode(), capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()
