"""Checks taken out of a copy of the C sources, one at a time: a fuzzer that is worth its time finds each.

As a program: `fuzz_bugs.py` seeds every bug in turn and prints how many executions it took to find it, and as what.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware_stubs"
SEEDS = Path(__file__).parents[1] / "cases" / "fuzz"
RUNS = 1_000_000
HUNT_S = 120
TIMEOUT_S = 300.0
_EXECUTIONS = re.compile(r"^#(\d+)\t", re.MULTILINE)
_SUMMARY = re.compile(r"runtime error: (.*)$|^SUMMARY: \w+: (.*)$", re.MULTILINE)
_PLACE = re.compile(r"\s(/\S*firmware_stubs/|\(/\S*\)|\(BuildId: \w+\)|in (?=__asan))")


@dataclass(frozen=True)
class Bug:
    """`old` becomes `new` in one file below `firmware_stubs`."""

    name: str
    target: str
    file: str
    old: str
    new: str


BUGS = (
    Bug("offset-not-checked", "image", "runtime/eq_check.c", "offset <= limit - bytes && ", ""),
    Bug("shape-product-unbounded", "image", "runtime/eq_check.c", "count == 0 || count > EQ_MAX_COUNT", "count == 0"),
    Bug("steps-only-forward", "image", "runtime/eq_check.c", "extent->lowest += reach", "extent->lowest += 0"),
    Bug("any-shift", "image", "runtime/eq_check.c", "scale->shift >= -31 &&\n", "\n"),
    Bug("pool-without-elements", "image", "runtime/eq_check.c", "return pad < k && ", "return k > 0 && "),
    Bug("channels-without-input", "image", "runtime/eq_check_weights.c", " || win->out_c % win->in_c != 0", ""),
    Bug("scratch-too-small", "image", "runtime/eq_check_weights.c", "op->scratch_bytes >= scratch", "scratch > 0"),
    Bug("goldens-not-counted", "image", "runtime/eq_model.c", "vector * head->goldens", "vector"),
    Bug("record-longer-than-plan", "image", "runtime/eq_model.c", " || op->bytes > left", ""),
    Bug("sum-of-nothing", "image", "runtime/kernels/softmax_i8.c", "table[0] == INT32_MAX ?", "table[0] >= 0 ?"),
    Bug(
        "bins-behind-the-last",
        "image",
        "runtime/frontend/eq_fe_check_audio.c",
        "(uint32_t)at[0] + at[1] > limit",
        "limit == 0",
    ),
    Bug(
        "filter-of-one-row",
        "image",
        "runtime/frontend/eq_fe_check_audio.c",
        "((uint64_t)op->phases / 2 + 1) * op->taps",
        "(uint64_t)op->taps",
    ),
    Bug(
        "history-half-as-long",
        "image",
        "runtime/frontend/eq_fe_check_audio.c",
        "op->history, (uint64_t)op->taps * 4",
        "op->history, (uint64_t)op->taps * 2",
    ),
    Bug("buffer-without-end", "frame", "core/eq_frame_rx.c", "rx->have == rx->size", "rx->size == 0"),
    Bug("frame-shorter-than-crc", "frame", "core/eq_frame_rx.c", "bytes <= 2 || ", ""),
    Bug(
        "string-past-the-end",
        "frame",
        "core/eq_cbor_read.c",
        "head->value > (uint64_t)(end - *at)",
        "head->value > 255",
    ),
    Bug("any-depth", "frame", "core/eq_cbor_read.c", "*depth == EQ_CBOR_DEPTH", "*depth == 255"),
    Bug("piece-beyond-the-envelope", "core", "core/eq_blobs.c", " < EQ_ENVELOPE_BYTES - off ? bytes", " > 0 ? bytes"),
    Bug("more-signatures-than-fit", "signature", "core/eq_trust.c", " && area->count <= EQ_MOST_SIGNATURES", ""),
    Bug("more-keys-than-there-are", "signature", "core/eq_trust.c", " || trust->count > EQ_MOST_KEYS", ""),
    Bug("arena-from-anywhere", "core", "core/eq_infer.c", "        off = off < all ? off : all;\n", ""),
    Bug("member-from-anywhere", "core", "core/eq_releases.c", "    off = off < bytes ? off : bytes;\n", ""),
)


@dataclass(frozen=True)
class Found:
    """How many executions it took, and what the sanitizer or libFuzzer says; None and "" where it was not found."""

    executions: int | None
    what: str


def seeded(bug: Bug, folder: Path) -> Path:
    """A copy of `firmware_stubs` with the bug in it."""
    copy = folder / "firmware_stubs"
    shutil.copytree(FIRMWARE, copy)
    path = copy / bug.file
    text = path.read_text()
    if text.count(bug.old) < 1:
        raise ValueError(f"{bug.name}: '{bug.old}' is no longer in {bug.file}")
    path.write_text(text.replace(bug.old, bug.new, 1))
    return copy


def hunt(bug: Bug, built: Path, runs: int = RUNS, seed: int = 1) -> Found:
    """Fuzz a copy with the bug in it until it is found, at most `runs` times.

    In the folder `built` its target was built without the bug: only what the bug touches is compiled again."""
    with tempfile.TemporaryDirectory(prefix="edgeq-fuzz-") as work:
        shutil.copytree(built / "fuzz", Path(work) / "fuzz")
        copy = seeded(bug, Path(work))
        program = build(bug.target, Path(work), copy)
        done = fuzz(program, SEEDS / bug.target, Path(work), runs=runs, seed=seed)
    if done.returncode == 0:
        return Found(None, "")
    said = _SUMMARY.search(done.stderr)
    what = next(filter(None, said.groups())) if said else "no summary"
    return Found(max(map(int, _EXECUTIONS.findall(done.stderr)), default=0), _PLACE.sub(" ", what).strip())


def fuzz(program: Path, seeds: Path, work: Path, *, runs: int, seed: int = 1) -> subprocess.CompletedProcess[str]:
    """Run a fuzzer from `seeds`; what it makes goes into `work`. It fails where something is wrong."""
    corpus = work / "corpus" / program.name
    corpus.mkdir(parents=True, exist_ok=True)
    options = (
        f"-runs={runs}",
        f"-seed={seed}",
        "-max_len=8192",
        "-timeout=2",
        f"-max_total_time={HUNT_S}",
        f"-artifact_prefix={work}/",
    )
    command = [program, *options, corpus, seeds]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S)


def build(target: str, folder: Path, sources: Path = FIRMWARE) -> Path:
    """The fuzzer of a target, built from `sources` into `folder`."""
    program = folder / f"fuzz-{target}"
    command = ["make", "-s", f"-j{os.cpu_count()}", "-C", str(sources), f"BUILD={folder}", str(program)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S)
    return program


def main() -> int:
    """Hunt every bug; the exit status says whether all were found."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="edgeq-fuzz-") as built:
        for target in {bug.target: bug for bug in BUGS}:
            build(target, Path(built))
        for bug in BUGS:
            found = hunt(bug, Path(built))
            missed += found.executions is None
            executions = "not found" if found.executions is None else found.executions
            print(f"{bug.name:24} {bug.target:6} {executions:>9}  {found.what}", flush=True)
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
