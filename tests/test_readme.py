"""The README's commands are run as they stand there, in one go, by a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from netless import why_not, without_network

from edgeq import emulate
from edgeq.device.open import open_device
from edgeq.fetch import fetch_target
from edgeq.target import load_target

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"<!-- run by tests/test_readme.py -->\n```sh\n(.*?)```", README, re.DOTALL)


@pytest.mark.emulated
@pytest.mark.slow
def test_the_readme_s_commands_work_and_need_no_network_after_a_fetch(tmp_path: Path, lent_home: Path) -> None:
    """Where this machine cannot take the network away, they run with it."""
    if not any(recipe.ok for recipe in emulate.probe("rpi4")):
        pytest.skip("this machine allows no recipe for an emulated Pi")
    assert len(BLOCKS) == 2
    script = "\n".join(BLOCKS)
    try:
        if why_not(tmp_path):
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            done = subprocess.run(
                ["sh", "-c", f"set -eu\n{script}"],
                cwd=tmp_path,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                timeout=400,
            )
        else:
            fetch_target(load_target("rpi4"), emulator=True)
            done = without_network(script, tmp_path, 400)
    finally:
        emulate.stop("rpi4")
        with open_device("local:") as device:
            device.reset()
    assert done.returncode == 0, done.stderr[-3000:]
    project = tmp_path / "digits"
    assert (project / "report.html").stat().st_size > 10_000
    run = json.loads((project / "run.json").read_text(encoding="utf-8"))
    assert run["device"]["emulated"] is False
    (pi,) = (project / "runs").glob("*-pi/run.json")
    assert json.loads(pi.read_text(encoding="utf-8"))["device"]["emulated"] is True


@pytest.mark.parametrize("block", BLOCKS, ids=["project", "line"])
def test_every_command_of_the_readme_exists(block: str) -> None:
    from typer.main import get_command

    from edgeq.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"^edgeq (\w+)", block, re.MULTILINE)) <= known


def test_the_preprocessing_of_the_readme_is_understood() -> None:
    from edgeq.preprocess import parse

    (block,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    found = parse(tomllib.loads(block)["preprocess"])
    assert found.output_shape((16000,)) == (49, 10)
