"""What is installed works away from the checkout: the wheel holds the top-level folders, and edgeq finds them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOOK = (
    "import edgeq\nfrom edgeq.host.paths import shipped\nfrom edgeq.target import all_targets\n"
    "from edgeq.runtimes import wheels_for\n"
    "print(edgeq.__file__, shipped('firmware_stubs'), *(profile.path for profile in all_targets()), sep='\\n')\n"
    "assert wheels_for('ai-edge-litert', '2.3.0', 'aarch64')\n"
)
pytestmark = pytest.mark.slow


def pip(*arguments: object) -> None:
    """Run pip, held to what is installed already: nothing is downloaded."""
    if importlib.util.find_spec("pip") is None or importlib.util.find_spec("hatchling") is None:
        pytest.skip("pip and hatchling are needed to build a wheel")
    command = [sys.executable, "-m", "pip", *map(str, arguments), "--quiet", "--no-deps", "--no-index"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ROOT, "--no-build-isolation", "--wheel-dir", folder)
    return next(folder.glob("edgeq-*.whl"))


def look(site: Path, tmp_path: Path) -> list[Path]:
    """Where edgeq, installed into `site`, finds itself and its data, when run in an empty folder.

    The dependencies are those of this environment, but an edgeq that is installed there is not seen."""
    empty = tmp_path / "empty"
    empty.mkdir()
    dependencies = sysconfig.get_path("purelib")
    code = f"import site, sys\nsite.addsitedir({str(site)!r})\nsys.path.append({dependencies!r})\n{LOOK}"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["HOME"] = str(empty)
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=empty, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [Path(line) for line in done.stdout.splitlines()]


def shipped_files(folder: str) -> set[str]:
    """Files of a top-level folder that git knows of; all of them where this is no git checkout."""
    done = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0 and done.stdout:
        return set(done.stdout.splitlines())
    return {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}


def test_the_wheel_holds_the_top_level_folders(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("targets", "firmware_stubs"):
        wanted = {f"edgeq/_data/{name}" for name in shipped_files(folder)}
        assert wanted
        assert not wanted - names
    assert {"edgeq/py.typed", "edgeq/runtimes/runtimes.toml", "edgeq/_data/targets/rpi4.toml"} <= names
    assert "edgeq/schema/run.schema.json" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/")) or "__pycache__" in name]


def test_an_installed_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip("install", wheel, "--target", site)
    found = look(site, tmp_path)
    assert all(path.is_relative_to(site) for path in found)
    assert "rpi4.toml" in {path.name for path in found}


def test_an_editable_install_uses_the_folders_of_the_checkout(tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip("install", "--no-build-isolation", "--target", site, "--editable", ROOT)
    found = look(site, tmp_path)
    assert all(path.is_relative_to(ROOT) and not path.is_relative_to(site) for path in found)
    assert ROOT / "targets" / "rpi4.toml" in found


def test_the_command_is_declared(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "edgeq = edgeq.cli:main" in archive.read(entry).decode()
