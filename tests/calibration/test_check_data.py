"""The verb and its command: exit codes, JSON, defaults of a project, what is no finding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commandline import edgeq
from practice import bars, bars_case, save
from tinymodel import converted

from edgeq.check_data import check_data
from edgeq.errors import UsageError

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> tuple[int, str]:
        return edgeq("check-data", *arguments, capture=capsys, monkeypatch=monkeypatch)[:2]

    return command


@pytest.fixture
def good(tmp_path: Path) -> Path:
    case = bars_case(96)
    save(tmp_path / "test.npz", case.x_eval, case.y_eval)
    return save(tmp_path / "good.npz", case.x, case.y)


def test_good_data(run: Run, good: Path) -> None:
    code, out = run(bars(), "--data", good, "--eval", "test.npz", "--json", "--strict")
    told = json.loads(out)
    assert code == 0 and told["verdict"] == "nothing against it"
    assert told["samples"] == told["total"] == 96 and sum(told["classes"].values()) == 96
    assert [point["size"] for point in told["curve"]] == [5, 10, 20, 50, 72]
    assert told["tensors"][0]["high"] == 255
    assert {finding["severity"] for finding in told["findings"]} == {"info"}


def test_an_error_and_a_warning_have_their_exit_codes(run: Run, good: Path) -> None:
    case = bars_case(96)
    noise = np.random.default_rng(0).uniform(0, 255, case.x.shape).astype(np.float32)
    code, out = run(bars(), "--data", save(Path("noise.npz"), noise, None))
    assert code == 3 and "uniform noise" in out and "1 error" in out
    few = save(Path("few.npz"), case.x[:12], case.y[:12])
    assert run(bars(), "--data", few)[0] == 0
    code, out = run(bars(), "--data", few, "--strict")
    assert code == 3 and "warning   few-samples" in out


def test_a_project_says_what_the_line_leaves_out_and_waives(run: Run, good: Path) -> None:
    case = bars_case(96)
    save(Path("few.npz"), case.x[:12], case.y[:12])
    waiver = '[[waivers]]\ncode = "few-samples"\nby = "Ada"\nreason = "there are no more"\n'
    Path("edgeq.toml").write_text(f'[project]\nmodel = "{bars()}"\ndata = "few.npz"\n{waiver}', encoding="utf-8")
    code, out = run("--strict")
    assert code == 0 and "waived    There are 12 samples" in out and "(Ada: there are no more)" in out


def test_samples_alone_without_a_model(good: Path) -> None:
    report = check_data(good)
    assert not report.findings and not report.curve and not report.tensors


def test_a_quantized_model_is_told(good: Path, tmp_path: Path) -> None:
    model = tmp_path / "int8.tflite"
    model.write_bytes(converted().model)
    report = check_data(good, model=model)
    assert "quantized already" in report.notes[0] and not report.curve


def test_samples_that_the_model_does_not_take(tmp_path: Path) -> None:
    case = bars_case(48)
    report = check_data(save(tmp_path / "grey.npz", case.x[..., :1], case.y), model=bars())
    assert [finding.code for finding in report.findings if finding.severity == "error"] == ["shape"]


def test_the_first_sample_may_be_the_broken_one(tmp_path: Path) -> None:
    x = bars_case(48).x.copy()
    x[0, 0, 0, 0] = np.inf
    (finding,) = check_data(save(tmp_path / "inf.npz", x, None), model=bars()).findings
    assert finding.code == "unreadable" and "Sample 0" in finding.message


def test_data_that_is_not_there_is_misuse(tmp_path: Path, run: Run) -> None:
    with pytest.raises(UsageError, match="gone"):
        check_data(tmp_path / "gone.npz", model=bars())
    assert run()[0] == 2


@pytest.mark.slow
def test_a_keras_model(good: Path) -> None:
    assert check_data(good, model=bars().with_suffix(".keras")).worst() == "info"
