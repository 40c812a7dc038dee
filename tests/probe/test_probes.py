"""Probes by their addresses: T0 from the profile, replay of a recording, and unknown ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeq.errors import ProtocolError, UsageError
from edgeq.probe import PROBES, open_probe
from edgeq.probe.environment import reading, throttle_words
from edgeq.probe.latency import latency_series
from edgeq.probe.memory import memory_series
from edgeq.target import load_target

PI = load_target("rpi4")
CSV = "t_s,power_mw,gate\n0,100,0\n1,100,0\n2,300,1\n3,300,1\n4,100,0\n5,100,0\n"


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    path = tmp_path / "meter.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


def test_t0_gives_the_profiles_power_with_its_error() -> None:
    assert PI.power is not None
    probe = open_probe("t0:", PI)
    probe.start()
    (series,) = probe.stop()
    assert (series.name, series.unit, series.how) == ("power", "mw", "estimated")
    assert series.values == (PI.power.active_mw,)
    assert series.error_pct == PI.power.error_pct
    assert "rpi4" in series.source


def test_t0_refuses_a_profile_without_power_and_a_rest() -> None:
    with pytest.raises(UsageError, match=r"'rpi4' has no \[power\] table"):
        open_probe("t0:", replace(PI, power=None))
    with pytest.raises(UsageError, match="nothing behind the colon"):
        open_probe("t0:9", PI)


@pytest.mark.parametrize(
    ("address", "near"), [("reply:x.csv", "'replay:'"), ("t1:", "'t0:'"), ("REPLAY:x", "'replay:'")]
)
def test_unknown_probes_get_near_names(address: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"no probe '{address}'") as caught:
        open_probe(address, PI)
    assert near in caught.value.hint


def test_every_row_of_the_table_opens() -> None:
    rests = {"replay": "meter.csv", "ppk2": "/dev/ttyACM0?supply_v=3.3", "plug": "192.168.1.20"}
    for scheme in PROBES:
        address = f"{scheme}:{rests.get(scheme, '')}"
        assert open_probe(address, PI).name == address


def test_replay_gives_power_gate_and_energy(meter: Path) -> None:
    probe = open_probe(f"replay:{meter}?inferences=10", PI)
    probe.start()
    power, gate, energy = probe.stop()
    assert (power.how, power.values[2], power.t_s[-1]) == ("measured", 300.0, 5.0)
    assert gate.values == (1.5, 3.5)
    # Trapezoid from 1.5 s (200 mW) over 300 mW to 3.5 s (200 mW): 550 mJ; idle 100 mW over 2 s leaves 350 mJ.
    assert energy.values == (pytest.approx(35_000),)
    assert energy.how == "measured"
    assert "meter.csv: 10 inferences in 2 s, idle 100 mW subtracted" in energy.source
    assert energy.source.endswith("+- at k = 2, without the meter's own error")
    assert energy.error_pct is not None
    assert energy.error_pct > 0


def test_replay_with_times_and_the_meters_accuracy(meter: Path) -> None:
    probe = open_probe(f"replay:{meter}?inferences=1&t_start=2&t_end=3&error_pct=40", PI)
    probe.start()
    energy = probe.stop()[-1]
    assert energy.values == (pytest.approx(200_000),)
    assert energy.error_pct is not None
    assert energy.error_pct > 40
    assert energy.source.endswith("+- at k = 2")


def test_replay_without_a_count_gives_no_energy(meter: Path) -> None:
    probe = open_probe(f"replay:{meter}", PI)
    probe.start()
    assert [series.name for series in probe.stop()] == ["power", "gate"]


def test_replay_says_what_is_wrong_before_the_bench(meter: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a file"):
        open_probe("replay:", PI)
    with pytest.raises(UsageError, match="no option 'tstart'") as caught:
        open_probe(f"replay:{meter}?tstart=1", PI)
    assert "'t_start'" in caught.value.hint
    for query, message in [
        ("inferences=2.5", "not a count"),
        ("inferences=1&t_start=x", "not a number"),
        ("t_end=nan", "not a number"),
    ]:
        with pytest.raises(UsageError, match=message):
            open_probe(f"replay:{meter}?{query}", PI).start()
    plain = tmp_path / "plain.csv"
    plain.write_text("t_s,power_mw\n0,1\n1,1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="nothing says when the 3 inferences ran"):
        open_probe(f"replay:{plain}?inferences=3", PI).start()


ANSWER = {"init_ns": 5, "first_ns": 4, "warmup_ns": [3, 2], "invoke_ns": [1, 1, 1], "rss_peak": 9, "rss_load": 8}


def test_a_bench_answer_becomes_series() -> None:
    latency = {series.name: series for series in latency_series(ANSWER, "emulated")}
    assert {name: series.values for name, series in latency.items()} == {
        "init": (5.0,),
        "first_inference": (4.0,),
        "warmup": (3.0, 2.0),
        "invoke": (1.0, 1.0, 1.0),
    }
    assert {series.how for series in latency.values()} == {"emulated"}
    assert [(series.name, series.unit, series.values) for series in memory_series(ANSWER, "measured")] == [
        ("rss_load", "bytes", (8.0,)),
        ("rss_peak", "bytes", (9.0,)),
    ]
    assert memory_series({"invoke_ns": [1]}, "measured") == []


def test_a_microcontroller_s_bench_answer_has_instructions_and_no_time() -> None:
    counts = {
        "init_instructions": 5,
        "first_instructions": 4,
        "warmup_instructions": [3],
        "invoke_instructions": [2, 2],
    }
    assert [(series.name, series.unit, series.values) for series in latency_series(counts, "emulated")] == [
        ("init_instructions", "instructions", (5.0,)),
        ("first_inference_instructions", "instructions", (4.0,)),
        ("warmup_instructions", "instructions", (3.0,)),
        ("instructions", "instructions", (2.0, 2.0)),
    ]


def test_a_microcontroller_s_ram_is_arena_variables_and_stack() -> None:
    memory = memory_series({"arena_bytes": 1000, "static_bytes": 20, "stack_bytes": 300}, "measured")
    assert [(series.name, series.values) for series in memory] == [
        ("arena", (1000.0,)),
        ("static", (20.0,)),
        ("stack", (300.0,)),
        ("ram", (1320.0,)),
    ]
    unpainted = memory_series({"arena_bytes": 1000, "static_bytes": 20}, "measured")
    assert [series.name for series in unpainted] == ["arena", "static"]


@pytest.mark.parametrize("value", ["12", [1, 2.5], [True], None, {"a": 1}])
def test_a_bench_answer_of_something_else_is_a_protocol_error(value: object) -> None:
    with pytest.raises(ProtocolError, match="invoke_ns"):
        latency_series({**ANSWER, "invoke_ns": value}, "measured")


def test_throttle_bits_in_words() -> None:
    assert throttle_words(0x50005) == (
        "under-voltage now",
        "throttled now",
        "under-voltage has occurred",
        "throttling has occurred",
    )


def test_readings_before_after_and_once() -> None:
    environment = {"before": {"load_1m": 0.1}, "after": {"load_1m": 0.9}, "governor": "ondemand"}
    assert reading(environment, "before", "load_1m") == 0.1
    assert reading(environment, "after", "load_1m") == 0.9
    assert reading(environment, "after", "governor") == "ondemand"
    assert reading(environment, "after", "absent") is None
