"""Each code of the registry: two runs that raise it, two that do not, and who may waive it."""

from __future__ import annotations

from typing import Any

import pytest
from sides import changed, recorded, series

from edgeq.compare.metrics import METRICS
from edgeq.compare.objections import CHECKS, CODES, object_to, read_waiver
from edgeq.errors import UsageError
from edgeq.run import Issue, Run

NAMES = tuple(METRICS)
METERED = series("energy", [100.0], "uj", error_pct=1.0)
LOOPS = {"ops": {"CONV_2D": 2, "WHILE": 1}}
FLOAT, OTHER = {"float_sha256": "f" * 64}, {"float_sha256": "e" * 64}


def metered(**energy: Any) -> dict[str, Any]:
    told = {"tier": "T2", "scope": "the board's supply", "gate": "pin", "supply_v": 3.3, "energy_uj": 100.0}
    return {"series": [METERED], "energy": {**told, "uncertainty_uj": 2.0, **energy}}


RAISED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "same_run": ({"created": "now"}, {"created": "now"}, "The base and the new run are one and the same run."),
    "invalid_run": (
        {},
        {"verdict": "invalid", "issues": (Issue("no_samples", "invalid", "x"), Issue("emulated", "info", "y"))},
        "The new run is invalid (no_samples).",
    ),
    "degraded_run": (
        {"verdict": "degraded", "issues": (Issue("throttled", "degraded", "x"),)},
        {"verdict": "degraded"},
        "The base is degraded (throttled). The new run is degraded.",
    ),
    "emulated_real": ({}, {"device": {"emulated": True}}, "The new run is emulated and the base is not."),
    "other_model": ({}, {"release": {"name": "kws"}}, "different models: 'synthetic-digits' and 'kws'"),
    "other_device": (
        {"device": {"board": "Raspberry Pi 4 Model B Rev 1.4"}},
        {"device": {"board": "Raspberry Pi 5 Model B Rev 1.0", "cores": 4}},
        "board Raspberry Pi 4 Model B and Raspberry Pi 5 Model B, cores 2 and 4",
    ),
    "other_threads": ({}, {"plan": {"threads": 4}}, "different numbers of threads: 1 and 4"),
    "other_delegate": (
        {"release": {"provenance": {"kernels": "xnnpack"}}},
        {"plan": {"delegate": "reference"}},
        "delegates: xnnpack and reference",
    ),
    "other_preprocess": (
        {"release": {"provenance": {"preprocess_sha256": None}}},
        {"release": {"provenance": {"preprocess_sha256": "a"}}},
        "Preprocessing differs",
    ),
    "other_span": ({"plan": {"end_to_end": True}}, {}, "The base alone was timed from end to end."),
    "other_length": ({}, {"plan": {"sustained": True}}, "The new run alone was sustained"),
    "other_input": (
        {"release": {"input_sha256": "a", "provenance": LOOPS}},
        {"release": {"input_sha256": "b", "provenance": LOOPS}},
        "on different inputs, and how long WHILE takes",
    ),
    "other_data": (
        {},
        {"release": {"evaluation": {"value": 0.9, "data_sha256": "b", "samples": 360, "evaluated_on": "host"}}},
        "Accuracy was found on different samples.",
    ),
    "other_supply": (metered(), metered(supply_v=1.8), "The supply voltages differ: 3.3 V and 1.8 V."),
    "other_tier": (metered(), metered(tier="T1"), "different tiers: T2 and T1"),
    "other_scope": (metered(), metered(scope="the PMIC's rails"), "different things: the board's supply and the PMIC"),
    "other_gate": (metered(), metered(gate="edges"), "gated differently: pin and edges"),
    "other_runtime": ({}, {"device": {"runtime_version": "2.4.0"}}, "ai-edge-litert 2.3.0 and ai-edge-litert 2.4.0"),
    "other_lineage": (
        {"release": {"provenance": FLOAT}},
        {"release": {"provenance": OTHER, "macs": 500_000}},
        "different float models (412,160 and 500,000 MACs)",
    ),
    "other_governor": ({}, {"before": {"governor": "performance"}}, "schedutil and performance"),
    "other_emulator": (
        {"device": {"emulated": True, "emulator": "qemu 7"}},
        {"device": {"emulated": True, "emulator": "qemu 8"}},
        "qemu 7 and qemu 8",
    ),
}


def found(base: Run, new: Run, names: tuple[str, ...] = NAMES) -> dict[str, str]:
    return {each.code: each.message for each in object_to([base], [new], names, ())}


def test_every_code_has_a_case() -> None:
    assert set(RAISED) == set(CODES)


@pytest.mark.parametrize("code", RAISED)
def test_each_code_is_raised_alone(code: str) -> None:
    first, second, words = RAISED[code]
    seen = found(changed(**first), changed(**second))
    assert list(seen) == [code]
    assert words in seen[code]
    assert CODES[code].hint and CODES[code].when


@pytest.mark.parametrize("code", RAISED)
def test_alike_raises_nothing(code: str) -> None:
    alike = {key: value for key, value in RAISED[code][0].items() if key not in ("created", "verdict", "issues")}
    assert found(changed(**alike), changed(**alike)) == {}


def test_what_a_bench_feeds_matters_only_where_time_depends_on_values() -> None:
    first, second = ({"release": {"input_sha256": name, "provenance": {"ops": {"CONV_2D": 2}}}} for name in "ab")
    assert found(changed(**first), changed(**second)) == {}


def test_what_is_not_known_is_no_difference() -> None:
    bare = {"board": None, "cpu": None, "runtime": None, "runtime_version": None}
    assert found(recorded(), changed(device=bare, release={"provenance": {}}, before={"governor": None})) == {}


def test_a_revision_of_a_board_is_no_other_kind_of_device() -> None:
    first, second = ({"board": f"Raspberry Pi 4 Model B Rev 1.{digit}"} for digit in (1, 5))
    assert found(changed(device=first), changed(device=second)) == {}


def test_a_target_counts_only_where_no_board_is_known() -> None:
    first, second = ({"release": {"target": name}} for name in ("linux-arm64", "rpi4"))
    assert found(changed(**first), changed(**second)) == {}
    bare = {"device": {"board": None}}
    assert list(found(changed(**first, **bare), changed(**second, **bare))) == ["other_device"]


def test_a_busy_device_decides_as_ever() -> None:
    (objection,) = object_to([recorded()], [changed(verdict="degraded")], NAMES, ())
    assert {"p50", "rss_peak"} <= set(objection.metrics) and "accuracy" not in objection.metrics
    otherwise = Issue("device_differs", "degraded", "Outputs differ from the host's.")
    (objection,) = object_to([recorded()], [changed(verdict="degraded", issues=(otherwise,))], NAMES, ())
    assert "accuracy" in objection.metrics


def test_accuracy_from_raw_inputs_is_another_than_from_the_model_s_own() -> None:
    told = {"data_sha256": "d", "samples": 9, "metric": "accuracy", "value": 0.9}
    raw, own, older = (
        changed(correctness={**told, **more}) for more in ({"preprocessed": "device"}, {"preprocessed": "host"}, {})
    )
    assert list(found(raw, own)) == list(found(raw, older)) == ["other_data"]
    assert found(own, older) == {}


def test_a_supply_without_energy_is_nobody_s_business() -> None:
    first, second = (changed(series=[series("supply", [volts], "v")]) for volts in (5.1, 4.6))
    assert found(first, second) == {}


def test_one_float_model_under_two_names_is_one_model() -> None:
    first, second = changed(release={"provenance": FLOAT}), changed(release={"name": "new", "provenance": FLOAT})
    assert found(first, second) == {}


def test_a_supply_is_read_from_the_traces_too() -> None:
    first, second = (changed(series=[METERED, series("supply", [volts] * 3, "v")]) for volts in (5.1, 4.6))
    assert list(found(first, second)) == ["other_supply"]
    assert found(first, changed(series=[METERED, series("supply", [5.05], "v")])) == {}


def test_an_objection_is_about_the_figures_that_it_concerns() -> None:
    (supply,) = object_to([changed(**metered())], [changed(**metered(supply_v=1.8))], NAMES, ())
    assert supply.metrics == ("energy",)
    assert found(changed(**metered()), changed(**metered(supply_v=1.8)), ("p50", "model_bytes")) == {}
    (span,) = object_to([recorded()], [changed(plan={"end_to_end": True})], NAMES, ())
    assert {"p50", "init", "energy"} <= set(span.metrics) and not {"rss_peak", "accuracy"} & set(span.metrics)
    (threads,) = object_to([recorded()], [changed(plan={"threads": 2})], NAMES, ())
    assert not {"accuracy", "model_bytes"} & set(threads.metrics)


def test_runs_of_one_side_must_be_alike_too() -> None:
    seen = object_to([recorded(), changed(plan={"threads": 4})], [changed()], ("p50",), ())
    assert [each.code for each in seen] == ["other_threads"]
    one = changed()
    (twice,) = object_to([recorded()], [one, one], ("p50",), ())
    assert twice.message == "The new run (run 1) and the new run (run 2) are one and the same run."


def test_a_waiver_lets_it_pass_and_stays_with_it() -> None:
    waiver = read_waiver("other_threads", "Ada", " a trial ")
    (waived,) = object_to([recorded()], [changed(plan={"threads": 4})], NAMES, [waiver])
    assert not waived.refuses
    assert waived.waiver == waiver and waiver.reason == "a trial"


@pytest.mark.parametrize("code", [check.code for check in CHECKS if not check.waivable])
def test_some_cannot_be_waived(code: str) -> None:
    assert code in ("same_run", "invalid_run")
    with pytest.raises(UsageError, match="cannot be waived"):
        read_waiver(code, "Ada", "a trial")
