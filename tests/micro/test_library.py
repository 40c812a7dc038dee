"""The shared library of the C runtime: named by its sources, built once, and shipped in the wheel."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgeq.errors import UsageError
from edgeq.micro import library
from edgeq.micro.library import build_library, find_library, library_name

ROOT = Path(__file__).resolve().parents[2]
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, library.COMPILERS)), reason="there is no C compiler on this machine"
)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for firmware_stubs with one function."""
    folder = tmp_path / "firmware_stubs"
    (folder / "runtime" / "kernels").mkdir(parents=True)
    (folder / "include" / "edgeq").mkdir(parents=True)
    (folder / "include" / "edgeq" / "answer.h").write_text("int answer(void);\n")
    (folder / "runtime" / "kernels" / "answer.c").write_text(
        '#include "edgeq/answer.h"\nint answer(void) { return 42; }\n'
    )
    monkeypatch.setattr(library, "shipped", lambda name: tmp_path / name)
    monkeypatch.setenv("EDGEQ_HOME", str(tmp_path / "home"))  # with a cache that nobody shares
    monkeypatch.delenv("CC", raising=False)
    return folder


def answer(path: Path) -> int:
    return int(ctypes.CDLL(str(path)).answer())


@needs_compiler
def test_a_library_is_built_once(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = find_library()
    assert answer(path) == 42
    assert path.parent == Path(os.environ["EDGEQ_HOME"]) / "cache" / "micro"
    monkeypatch.setenv("CC", "no-such-compiler")
    assert find_library() == path


@needs_compiler
@pytest.mark.parametrize("name", ["runtime/kernels/answer.c", "include/edgeq/answer.h"])
def test_a_changed_source_or_header_is_built_again(sources: Path, name: str) -> None:
    old = find_library()
    with (sources / name).open("a") as file:
        file.write("/* changed */\n")
    assert find_library() != old


@needs_compiler
def test_a_library_beside_the_module_comes_first(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "__file__", str(tmp_path / "package" / "library.py"))
    shipped = build_library(sources, tmp_path / "package")
    assert find_library() == shipped
    (sources / "runtime" / "kernels" / "answer.c").write_text("int answer(void) { return 43; }\n")
    assert answer(find_library()) == 43


def test_the_name_says_sources_and_flags(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = library_name(sources)
    assert library_name(sources) == name
    monkeypatch.setattr(library, "FLAGS", (*library.FLAGS, "-g"))
    assert library_name(sources) != name


@needs_compiler
def test_several_may_build_at_once(sources: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: build_library(sources, tmp_path / "cache"), range(4)))
    assert list((tmp_path / "cache").iterdir()) == [paths[0]]
    assert answer(paths[0]) == 42


@needs_compiler
def test_a_compiler_may_have_arguments(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = next(filter(None, map(shutil.which, library.COMPILERS)))
    monkeypatch.setenv("CC", f"env LC_ALL=C '{found}'")
    assert answer(build_library(sources, tmp_path)) == 42


def test_no_compiler_at_all(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no C compiler") as caught:
        find_library()
    assert "apt install gcc" in caught.value.hint


def test_a_compiler_that_is_not_there(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(UsageError, match="no-such-compiler"):
        build_library(sources, tmp_path)


@needs_compiler
def test_what_does_not_compile_is_told_in_the_compilers_words(sources: Path, tmp_path: Path) -> None:
    (sources / "runtime" / "broken.c").write_text("#error too bad\n")
    with pytest.raises(UsageError, match="too bad"):
        build_library(sources, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed")
@pytest.mark.parametrize("compiler", [pytest.param("", marks=needs_compiler), "no-such-compiler"])
def test_a_wheel_has_the_library_if_there_is_a_compiler(tmp_path: Path, compiler: str) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "CC": compiler}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    found = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]
    if compiler:
        assert not found
        assert wheel.name.endswith("-py3-none-any.whl")
        assert "without it" in done.stdout + done.stderr
    else:
        assert found == [f"edgeq/micro/{library_name(ROOT / 'firmware_stubs')}"]
        assert not wheel.name.endswith("-any.whl")
