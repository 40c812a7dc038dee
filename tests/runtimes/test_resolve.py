"""What the resolver says of devices as they are met: which runtime works there, and why another does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.runtimes import locked
from edgeq.runtimes.resolve import (
    ASK,
    NO,
    OWN,
    PRESENT,
    PUSH,
    Situation,
    candidates,
    judge,
    of_facts,
    of_target,
    place_of,
    resolve,
)
from edgeq.target import all_targets, load_target

PI4 = Situation("linux", "aarch64", "glibc", "2.36", "3.11.2", kernel_arch="aarch64", numpy="")
ZERO2 = replace(PI4, arch="armv7l", kernel_arch="armv7l", numpy="1.24.2")
LITERT, TFLITE = ("ai-edge-litert", "2.3.0"), ("tflite-runtime", "2.14.0")
SYSTEM, MICRO, ANDROID = ("system", ""), ("edgeq-micro", "1"), ("litert", "2.3.0")

CASES: list[tuple[str, Situation, tuple[str, str], str, str]] = [
    ("Raspberry Pi 4, bookworm", PI4, LITERT, PUSH, "ai-edge-litert 2.3.0, numpy 2.2.6 for cp311"),
    ("trixie, 64-bit", replace(PI4, python="3.13.5", libc_version="2.41"), LITERT, PUSH, "for cp313"),
    ("it is there already", replace(PI4, runtime=LITERT), LITERT, PRESENT, "installed there"),
    ("another version is there", replace(PI4, runtime=("ai-edge-litert", "2.1.0")), LITERT, PUSH, "for cp311"),
    ("bullseye: Python 3.9", replace(PI4, python="3.9.2", libc_version="2.31"), LITERT, NO, "the device has 3.9"),
    ("bullseye: glibc", replace(PI4, python="3.9.2", libc_version="2.31"), TFLITE, NO, "needs glibc 2.34 or newer"),
    ("armv7, bookworm", ZERO2, TFLITE, PUSH, "beside the system's numpy 1.24.2"),
    ("armv7, litert", ZERO2, LITERT, NO, "no wheel of ai-edge-litert 2.3.0 for armv7l"),
    ("armv7, trixie", replace(ZERO2, python="3.13.5", libc_version="2.41"), TFLITE, NO, "the device has 3.13"),
    ("armv7 without numpy", replace(ZERO2, numpy=""), TFLITE, NO, "needs the system's numpy"),
    ("armv7 with numpy 2", replace(ZERO2, numpy="2.2.4"), TFLITE, NO, "needs a numpy below 2"),
    ("32 bits, 64-bit kernel", replace(ZERO2, kernel_arch="aarch64"), LITERT, NO, "(the kernel is aarch64)"),
    ("32 bits, 64-bit kernel", replace(ZERO2, kernel_arch="aarch64"), TFLITE, PUSH, "tflite-runtime 2.14.0"),
    ("armv6", replace(ZERO2, arch="armv6l", kernel_arch="armv6l"), TFLITE, NO, "2.14.0 for armv6l"),
    ("Alpine", replace(PI4, libc="musl", libc_version="1.2.5"), LITERT, NO, "the C library is musl 1.2.5"),
    ("nobody knows the libc", replace(PI4, libc="unknown", libc_version=""), LITERT, NO, "the C library is unknown"),
    ("glibc of 2017", replace(PI4, libc_version="2.26"), LITERT, NO, "needs glibc 2.27 or newer"),
    ("PyPy", replace(PI4, implementation="pypy"), LITERT, NO, "the Python is pypy"),
    ("the system's own", replace(PI4, runtime=("ai-edge-litert", "2.1.0")), SYSTEM, PRESENT, "ai-edge-litert 2.1.0"),
    ("nothing of its own", PI4, SYSTEM, NO, "neither ai_edge_litert nor tflite_runtime"),
    ("a profile does not know", replace(PI4, numpy=None), SYSTEM, ASK, "only the device knows"),
    ("a microcontroller", Situation("mcu", "armv7e-m", "", "", ""), MICRO, OWN, "the firmware holds it"),
    ("a phone", Situation("android", "aarch64", "bionic", "29", ""), ANDROID, OWN, "the application holds it"),
    ("our runtime on armv6", replace(ZERO2, arch="armv6l", libc="musl", numpy=""), MICRO, OWN, "the bundle holds it"),
    ("our runtime on RISC-V", replace(PI4, arch="riscv64"), MICRO, NO, "no edgeq-micro for riscv64"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("situation", "wanted", "answer", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_situation(situation: Situation, wanted: tuple[str, str], answer: str, reason: str) -> None:
    (verdict,) = resolve(situation, [wanted])
    assert (verdict.answer, reason in verdict.reason) == (answer, True), verdict.reason
    assert verdict.works == (answer != NO)
    assert bool(verdict.wheels) == (answer == PUSH)
    assert verdict.hint or answer != NO


def test_facts_of_an_agent_become_a_situation() -> None:
    facts: dict[str, Any] = {
        **{"kind": "linux", "arch": "armv7l", "kernel_arch": "aarch64", "python": "3.11.2", "libc": "glibc 2.36"},
        **{"implementation": "cpython", "numpy": "1.24.2", "runtime": None},
    }
    assert of_facts(facts) == replace(ZERO2, kernel_arch="aarch64")
    assert of_facts({**facts, "runtime": {"name": "tflite-runtime", "version": "2.14.0"}}).runtime == TFLITE


def test_facts_of_an_older_agent_leave_numpy_open() -> None:
    older = of_facts({"arch": "armv7l", "python": "3.11.2", "libc": "glibc 2.36", "runtime": None})
    assert older.numpy is None
    assert judge(*TFLITE, older, [vars(wheel) for wheel in locked()[TFLITE] if wheel.arch == "armv7l"]).works


@pytest.mark.parametrize("profile", list(all_targets()), ids=lambda profile: profile.name)
def test_every_profile_gets_a_verdict_on_each_of_its_runtimes(profile: Any) -> None:
    verdicts = resolve(of_target(profile), candidates(profile))
    assert len(verdicts) == 1 + len(profile.runtime.alternatives)
    assert verdicts[0].works


def test_a_pi_with_a_64_bit_system_has_an_alternative() -> None:
    profile = load_target("rpi4")
    assert candidates(profile) == [LITERT, TFLITE, SYSTEM]
    assert [verdict.answer for verdict in resolve(of_target(profile), candidates(profile))] == [PUSH, PUSH, ASK]


@pytest.mark.parametrize(
    ("text", "place"), [("system", ""), ("system:/opt/x", "/opt/x"), ("litert", None), ("", None), ("systemd", None)]
)
def test_the_place_of_a_runtime(text: str, place: str | None) -> None:
    assert place_of(text) == place


versions = st.from_regex(r"[0-9]{0,2}(\.[0-9]{0,3})?[a-z]?", fullmatch=True)


@settings(max_examples=200)
@given(
    st.builds(
        Situation,
        st.just("linux"),
        st.sampled_from(["aarch64", "armv7l", "armv6l", "x86_64", "riscv64", ""]),
        st.sampled_from(["glibc", "musl", ""]),
        versions,
        versions,
        st.sampled_from(["cpython", "pypy"]),
        st.sampled_from(["", "aarch64"]),
        st.one_of(st.none(), versions),
    )
)
def test_whatever_a_device_says_there_is_a_verdict_with_a_reason(situation: Situation) -> None:
    for verdict in resolve(situation, [LITERT, TFLITE, SYSTEM]):
        assert verdict.reason
        assert all(wheel.arch == situation.arch for wheel in verdict.wheels)
