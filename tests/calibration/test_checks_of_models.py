"""The checks on what a float model does: figures that tell data from faults."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import flat
import numpy as np
import pytest
from practice import Case, bars, bars_case, look

from edgeq.calibration import checks, curve, outliers, preprocessing, shift, trials
from edgeq.calibration.curve import part
from edgeq.calibration.evidence import Point, Trial
from edgeq.calibration.hypotheses import Facts, hypotheses
from edgeq.quantize.engine.statistics import observe
from edgeq.quantize.samples import as_samples
from edgeq.waiver import CODES

ROOT = Path(__file__).resolve().parents[2]


def test_every_code_is_listed_told_and_can_be_waived() -> None:
    sources = (ROOT / "edgeq" / "calibration").glob("*.py")
    told = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")
    assert not [code for code in checks.CODES if f"`{code}`" not in told]
    assert set(checks.CODES) <= set(CODES)
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    assert set(re.findall(r'Finding\(\s*"([a-z-]+)"', text)) <= set(checks.CODES)


def test_the_first_layer_is_seen_before_its_activation(tmp_path: Path) -> None:
    model = look(replace(bars_case(48), x_eval=None, y_eval=None), bars(), tmp_path).model
    assert model is not None and model.first is not None and model.first.normalized
    assert model.first.means.min() < 0 < model.first.deviations.min()
    assert model.classes == 6 and not model.autoencoder
    assert model.extremes.shape == (len(model.tensors), 48) and model.answers.shape == (48, 6)


def test_answers_that_tell() -> None:
    sure = 20 * np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    assert trials.told(sure) == pytest.approx(1, abs=1e-3)
    assert trials.told(np.repeat(sure[:1], 40, axis=0)) == pytest.approx(0, abs=1e-6)
    assert trials.told(np.zeros((40, 4), np.float32)) == pytest.approx(0, abs=1e-6)
    assert trials.margin(sure).tolist() == [20] * 40


def test_chance_is_the_exact_sign_test() -> None:
    assert preprocessing.chance(5, 0) == 1 / 32
    assert preprocessing.chance(0, 5) == 1
    assert preprocessing.chance(30, 10) == pytest.approx(sum(math.comb(40, k) for k in range(30, 41)) / 2**40)


def test_what_labels_must_show(tmp_path: Path) -> None:
    model = look(replace(bars_case(48), x_eval=None, y_eval=None), bars(), tmp_path).model
    assert model is not None
    sound = Trial("divided by 255", "scale", 100, 20, 80, 62, 2, told=(0.2, 0.8))
    assert preprocessing.judge(sound, True, model)
    assert not preprocessing.judge(replace(sound, changed=26, gained=8), True, model)  # too little
    assert not preprocessing.judge(replace(sound, changed=30, gained=40, lost=30), True, model)  # chance
    assert not preprocessing.judge(replace(sound, told=(0.8, 0.5)), True, model)  # the labels are wrong
    assert not preprocessing.judge(replace(sound, count=20), True, model)


def test_hypotheses_follow_the_range_of_the_values() -> None:
    def titles(low: float, high: float, shape: tuple[int, ...]) -> set[str]:
        return {each.title for each in hypotheses(Facts(low, high, shape))}

    picture = (32, 32, 3)
    assert "multiplied by 255" in titles(0, 1, picture) and "divided by 255" not in titles(0, 1, picture)
    assert "divided by 127.5, minus 1" in titles(0, 255, picture)
    assert "with red and blue exchanged" not in titles(0, 1, (32, 32, 1))
    assert "with rows and columns exchanged" not in titles(0, 1, (32, 24, 3))
    assert not any("inverted" in title for title in titles(-90, 20, (49, 10, 1)))


def test_one_strange_sample_widens_and_the_others_do_not() -> None:
    extremes = np.random.default_rng(0).uniform(1, 2, (9, 50)).astype(np.float32)
    extremes[:, 7] *= 8
    found = outliers.widening(extremes)
    assert found.argmax() == 7 and found[7] > 4 and np.delete(found, 7).max() < 1.3


def test_sets_from_one_source_are_not_apart() -> None:
    draw = np.random.default_rng(5)
    for _ in range(40):
        rows = draw.standard_t(3, (120, 64)).astype(np.float32)
        found, chance = shift.apart(rows[:60], rows[60:])
        assert found <= max(shift.APART, 1.5 * chance)
    found, chance = shift.apart(rows[:60], rows[60:] + 3 * rows.std(axis=0))
    assert found > max(shift.APART, 1.5 * chance)


def test_sets_of_one_mean_that_spread_otherwise_are_apart() -> None:
    draw = np.random.default_rng(1)
    one, two = draw.normal(0, 1, (100, 6)).astype(np.float32), draw.normal(0, 9, (80, 6)).astype(np.float32)
    found, chance = shift.apart(one, two)
    assert found > max(shift.APART, 1.5 * chance)


def test_a_curve_that_stays_low_is_a_warning(tmp_path: Path) -> None:
    evidence = look(replace(bars_case(48), x_eval=None, y_eval=None), bars(), tmp_path)
    assert evidence.model is not None
    low = replace(evidence.model, curve=(Point(5, (5.1,)), Point(36, (-1.0,))))
    found = list(curve.check(replace(evidence, model=low)))
    assert [(each.code, each.severity, each.actual) for each in found] == [("sample-size", "warning", 5.1)]
    flat = replace(evidence.model, curve=(Point(5, (40.0,)), Point(36, (40.1,))))
    (told,) = curve.check(replace(evidence, model=flat))
    assert told.severity == "info" and told.message.startswith("5 samples would do: 5 cost 0.1 dB of the 40.1 dB")


def sigmoid_of_sums(width: int, bias: float) -> bytes:
    """(1, width) -> the sigmoid of its sum and `bias`."""
    weights = flat.Tensor((1, width), "float32", data=np.ones((1, width), np.float32))
    offset = flat.Tensor((1,), "float32", data=np.array([bias], np.float32))
    x, total, out = (flat.Tensor((1, size), "float32", (), 0) for size in (width, 1, 1))
    dense = flat.Op("FULLY_CONNECTED", [x, weights, offset], [total], flat.options("FullyConnected"))
    return flat.write_model([dense, flat.Op("LOGISTIC", [total], [out])], [x], [out])


def test_one_sigmoid_tells_two_classes_apart(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(80, 12)).astype(np.float32)
    x += (np.arange(80) % 2)[:, None] * 2.0
    y = (x.sum(axis=1) > 12).astype(np.int64)
    model = tmp_path / "one.tflite"
    model.write_bytes(sigmoid_of_sums(12, -12.0))
    evidence = look(Case(x, y), model, tmp_path)
    assert evidence.model is not None and evidence.model.classes == 2 and evidence.model.answers.shape == (80, 2)
    assert (evidence.model.answers.argmax(axis=1) == y).all() and evidence.model.curve
    assert "labels-order" not in {each.code for each in checks.run(evidence)}
    flipped = checks.run(look(Case(x, 1 - y), model, tmp_path))
    assert "labels-order" in {each.code for each in flipped}
    alone = checks.run(look(Case(x[y == 1], y[y == 1]), model, tmp_path))
    assert "class-missing" in {each.code for each in alone}


def test_other_shares_of_the_classes_are_no_other_distribution() -> None:
    draw = np.random.default_rng(6)
    labels, others = np.array([0] * 90 + [1] * 30), np.array([0] * 30 + [1] * 90)
    one, two = (draw.normal(0, 0.2, (120, 8)) + 4 * each[:, None] for each in (labels, others))
    mine, theirs = shift.matched(one.astype(np.float32), labels, two.astype(np.float32), others)
    assert len(mine) == len(theirs) == 60
    assert shift.apart(mine, theirs)[0] < shift.APART < shift.apart(one, two)[0]


def test_ranges_of_a_part_are_those_of_a_look_at_the_part() -> None:
    model, x = bars().read_bytes(), bars_case(24).x
    places = np.array([3, 8, 20])
    some, seen = part(observe(model, as_samples(x)), places), observe(model, as_samples(x[places]))
    assert some.count == 3
    for name, tensor in seen.tensors.items():
        assert (some.tensors[name].low, some.tensors[name].high) == (tensor.low, tensor.high)
