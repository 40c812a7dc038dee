"""Readings of boards: what their files and programs are documented to say, and what is made of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.agent.sensors import (
    Place,
    parse_bits,
    parse_cooling,
    parse_process_ticks,
    parse_stat,
    parse_throttled,
    processor_zone,
    sensors,
    supply_v,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1] / "cases" / "sensors"
CASES = sorted(ROOT.glob("*/*.toml"))
FOR_PEOPLE = ("clock_ns", "policies", "rails")


def place(folder: Path, case: dict[str, Any]) -> Place:
    """A board's files below `folder`, and what its programs print."""
    for name, text in case.get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    commands = case.get("commands", {})
    return Place(str(folder), lambda command: commands.get(" ".join(command), ""))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_board_s_readings(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    case = tomllib.loads(text)
    assert text.startswith("# ")
    found = sensors(place(tmp_path, case))
    assert {key: value for key, value in found.items() if key not in FOR_PEOPLE} == case["expect"]


def test_each_case_names_its_source() -> None:
    cases = [*CASES, *sorted((ROOT.parent / "rails").iterdir())]
    assert len(cases) >= 25
    for path in cases:
        head = "".join(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
        assert path.parent.name == "nothing" or "github.com/" in head or "docs.kernel.org/" in head, path


def test_clusters_are_told_apart(tmp_path: Path) -> None:
    case = tomllib.loads((ROOT / "pixel" / "clusters.toml").read_text(encoding="utf-8"))
    policies = sensors(place(tmp_path, case))["policies"]
    assert [(policy["cores"], policy["cpu_hz"]) for policy in policies] == [
        ("0 1 2 3", 1.803e9),
        ("4 5", 2.253e9),
        ("6 7", 2.802e9),
    ]


def test_a_server_s_cores_are_not_told_one_by_one(tmp_path: Path) -> None:
    files = {"scaling_governor": "schedutil", "scaling_cur_freq": "2794750", "cpuinfo_max_freq": "3700000"}
    for number in range(256):
        folder = f"sys/devices/system/cpu/cpufreq/policy{number}"
        place(tmp_path, {"files": {f"{folder}/{name}": text for name, text in files.items()}})
        (tmp_path / folder / "related_cpus").write_text(f"{number}\n")
    found = sensors(place(tmp_path, {}))
    assert (found["cpu_hz"], "policies" in found) == (2794750000.0, False)


def test_this_machine_answers() -> None:
    first, second = sensors(), sensors()
    assert 0 < first["clock_ns"] < second["clock_ns"]


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("throttled=0x50005\n", 0x50005),
        ("throttled=0x0", 0),
        ("VCHI initialization failed\n", None),
        ("error=1 error_msg=...", None),
        ("", None),
        ("throttled=", None),
    ],
)
def test_throttle_bits_of_vcgencmd(text: str, bits: int | None) -> None:
    assert parse_throttled(text) == bits


def test_bits_of_the_kernel_s_file_are_hexadecimal() -> None:
    assert (parse_bits("80008"), parse_bits("0x80008"), parse_bits("")) == (0x80008, 0x80008, None)


@pytest.mark.parametrize(
    ("kind", "state", "bits"),
    [
        ("thermal-cpufreq-0", "0", 0),
        ("cpufreq-cpu0", "2", 2),
        ("Processor", "10", 2),
        ("pwm-fan", "3", None),
        ("intel_powerclamp", "-1", None),
        ("Processor", "", None),
    ],
)
def test_cooling_devices(kind: str, state: str, bits: int | None) -> None:
    assert parse_cooling(kind, state) == bits


def test_the_only_zone_counts_whatever_it_is_called() -> None:
    assert processor_zone([("strange", 40.0)]) == ("strange", 40.0)
    assert processor_zone([("strange", 40.0), ("other", 50.0)]) == ("", None)
    assert processor_zone([]) == ("", None)


def test_a_mouse_does_not_feed_the_board(tmp_path: Path) -> None:
    battery = tmp_path / "sys/class/power_supply/hidpp_battery_0"
    battery.mkdir(parents=True)
    for name, text in (("type", "Battery"), ("scope", "Device"), ("online", "1"), ("voltage_now", "3931000")):
        (battery / name).write_text(f"{text}\n")
    assert supply_v(Place(str(tmp_path)), []) == ("", None)
    (battery / "scope").write_text("System\n")
    assert supply_v(Place(str(tmp_path)), []) == ("hidpp_battery_0", 3.931)


def test_ticks() -> None:
    # proc_stat(5): user nice system idle iowait irq softirq steal guest guest_nice
    text = "cpu  30 0 20 1000 5 1 2 3 0 0\ncpu0 10 0 10 500 5 1 1 3 0 0\ncpu1 20 0 10 500 0 0 1 0 0 0\nintr 1\n"
    assert parse_stat(text) == (56, 2)
    assert parse_stat("") == (0, 0)
    # pid (comm) state ppid ... utime is the 14th field, stime the 15th; a name may hold spaces and brackets.
    assert parse_process_ticks("42 (a b) c) S 1 1 1 0 -1 4194560 1 0 0 0 70 30 5 5 20 0 1 0 1 1 1\n") == 100
    assert parse_process_ticks("") == 0


@settings(max_examples=100)
@given(st.text(max_size=60))
def test_no_text_is_too_strange(text: str) -> None:
    parse_throttled(text)
    parse_bits(text)
    parse_cooling(text, text)
    parse_process_ticks("1 (x) " + text if text.isascii() and not any(c.isdigit() for c in text) else "")
