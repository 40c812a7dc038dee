"""Hostile input: the fuzzers of `firmware_stubs/tests/fuzz` run for a moment, and find bugs that are seeded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import board
import fuzz_bugs
import pytest
from fuzz_bugs import BUGS, FIRMWARE, SEEDS, Bug, build, fuzz, hunt
from imagefile import arena_bytes, kinds, zeros
from once import once

RUNS = {"image": 10_000, "frame": 10_000, "core": 500, "signature": 500}
QUICK = ("record-longer-than-plan", "string-past-the-end")
LONG = (pytest.mark.slow, pytest.mark.skipif("EDGEQ_FUZZ" not in os.environ, reason="minutes; EDGEQ_FUZZ=1 runs it"))
KERNELS = 17
MOST_ARENA_BYTES = 8192
INVALID = -2
PROBE = b"#include <stdlib.h>\nint LLVMFuzzerTestOneInput(const char *a, size_t b) { return a == 0 && b; }\n"
GUARDED = "-ffp-contract=off -DGUARD_BYTES=64u"
REPLAY = {
    "sanitized": "-fsanitize=address,undefined -fno-sanitize-recover=all",
    "guarded": GUARDED,
    "narrow": f"-m32 -msse2 -mfpmath=sse {GUARDED}",
}
"""Kinds of builds, and their flags."""


@dataclass(frozen=True)
class Run:
    """A short run of a fuzzer, and the inputs that it kept."""

    done: subprocess.CompletedProcess[str]
    kept: list[Path]


@dataclass(frozen=True)
class Verdict:
    """What `replay` says of an image: the status of `eq_model_open`, whether it ran, and the CRC of its outputs."""

    status: int
    executed: bool
    outputs: str


def links(compiler: str, *flags: str) -> bool:
    """Whether a compiler is here and can link with these flags."""
    if shutil.which(compiler) is None or shutil.which("make") is None:
        return False
    command = [compiler, *flags, "-xc", "-", "-o", "/dev/null"]
    return subprocess.run(command, input=PROBE, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def built() -> Path:
    """Where the fuzzers are."""
    if not links("clang", "-fsanitize=fuzzer,address"):
        pytest.skip("make, clang and its libFuzzer are not all installed")
    return once("fuzzers", lambda folder: [build(target, folder) for target in RUNS])


@pytest.fixture(scope="module")
def runs(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One of each target."""
    found = {}
    folder = tmp_path_factory.mktemp("fuzz")
    for target in RUNS:
        program = built / f"fuzz-{target}"
        done = fuzz(program, SEEDS / target, folder, runs=RUNS[target])
        found[target] = Run(done, sorted((folder / "corpus" / program.name).iterdir()))
    return found


def replay(kind: str, paths: Sequence[Path]) -> list[Verdict]:
    """This machine's verdict on each image, by a kind of build."""

    def make(folder: Path) -> None:
        flags = f"CFLAGS=-O1 {REPLAY[kind]}"
        command = ["make", "-s", "-C", str(FIRMWARE), "replay", "CC=gcc", flags, f"BUILD={folder}"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    program = once(f"replay-{kind}", make) / "replay"
    done = subprocess.run([program, *paths], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return [Verdict(int(status), executed == "1", outputs) for _, status, executed, outputs in lines]


def test_the_seeds_have_every_kernel() -> None:
    images = [path.read_bytes() for path in (SEEDS / "image").iterdir()]
    assert {kind for image in images for kind in kinds(image)} == set(range(1, KERNELS + 1))


@pytest.mark.skipif(not links("gcc", "-c"), reason="gcc and make are not both installed")
def test_every_seed_is_accepted_and_executed() -> None:
    seeds = sorted((SEEDS / "image").iterdir())
    verdicts = replay("sanitized", seeds)
    assert [(verdict.status, verdict.executed) for verdict in verdicts] == [(0, True)] * len(seeds)


@pytest.mark.skipif(not links("gcc", "-c"), reason="gcc and make are not both installed")
def test_what_was_wrong_once_is_refused() -> None:
    found = sorted((SEEDS / "refused").iterdir())
    assert [verdict.status for verdict in replay("guarded", found)] == [INVALID] * len(found)


@pytest.mark.parametrize("target", RUNS)
def test_a_short_run_is_clean(runs: dict[str, Run], target: str) -> None:
    done = runs[target].done
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(rf"^Done {RUNS[target]} runs", done.stderr, re.MULTILINE)


def test_many_changed_images_are_accepted_and_executed(runs: dict[str, Run]) -> None:
    counts = re.search(r"^images: (\d+) given, (\d+) accepted, (\d+) executed", runs["image"].done.stderr, re.MULTILINE)
    assert counts is not None
    given, accepted, executed = map(int, counts.groups())
    assert given >= RUNS["image"]
    assert accepted >= executed > RUNS["image"] / 50


@pytest.mark.parametrize(
    "bug", [pytest.param(bug, id=bug.name, marks=() if bug.name in QUICK else LONG) for bug in BUGS]
)
def test_a_seeded_bug_is_found(built: Path, bug: Bug) -> None:
    assert hunt(bug, built).executions is not None


def test_a_bug_that_is_no_longer_seeded_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no longer in runtime/eq_check\.c"):
        fuzz_bugs.seeded(Bug("gone", "image", "runtime/eq_check.c", "no such text", ""), tmp_path)


def test_32_bits_say_the_same_of_every_image(runs: dict[str, Run]) -> None:
    if not links("gcc", "-m32", "-c"):
        pytest.skip("gcc has no headers for -m32 here (gcc-multilib); the emulated board has 32 bits too")
    assert replay("narrow", runs["image"].kept) == replay("guarded", runs["image"].kept)


@pytest.mark.skipif(bool(board.missing_tools()), reason=f"not installed: {', '.join(board.missing_tools())}")
def test_a_cortex_m4_says_the_same_of_every_image_and_stays_in_its_arena(runs: dict[str, Run], tmp_path: Path) -> None:
    paths = [path for path in runs["image"].kept if arena_bytes(path.read_bytes()) <= MOST_ARENA_BYTES]
    verdicts = replay("guarded", paths)
    cases = [
        (image, [zeros(image)] if verdict.executed else [])
        for image, verdict in zip(map(Path.read_bytes, paths), verdicts, strict=True)
    ]
    told = board.run(board.build(tmp_path / "board"), cases)
    assert [item.status for item in told] == [verdict.status for verdict in verdicts]
    # A step with another output than zeros is one wrong, each byte written outside of the arena is one more.
    assert all(item.wrong <= len(steps) for item, (_, steps) in zip(told, cases, strict=True))
