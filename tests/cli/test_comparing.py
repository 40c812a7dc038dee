"""`edgeq compare` as a user and a CI server meet it: arguments, exit codes, files."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from commandline import edgeq
from sides import LOCAL, changed, recorded, series

from edgeq.compare import DEFAULT
from edgeq.run import Issue

Said = tuple[int, str, str]


@pytest.fixture
def compare(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Said]:
    """Exit code, stdout and stderr of `edgeq compare ...` in a folder with runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEQ_WAIVED_BY", "Ada")
    invoke = recorded().one("invoke")
    assert invoke
    for name, factor in (("same", 1.0), ("slow", 1.2)):
        changed(series=[series("invoke", [value * factor for value in invoke.values])]).write(tmp_path / f"{name}.json")
    changed(plan={"threads": 4}).write(tmp_path / "threads.json")

    return partial(edgeq, "compare", capture=capsys, monkeypatch=monkeypatch)


@pytest.mark.parametrize(("new", "code"), [("same", 0), ("slow", 1), ("threads", 2)])
def test_exit_codes(compare: Callable[..., Said], new: str, code: int) -> None:
    seen, out, _ = compare(LOCAL, f"{new}.json")
    assert seen == code
    assert out.startswith(("No regression", "Regression", "Refused")[code])
    seen, out, _ = compare(LOCAL, f"{new}.json", "--json")
    assert (seen, json.loads(out)["exit_code"]) == (code, code)


def test_several_runs_a_side(compare: Callable[..., Said]) -> None:
    for given in (
        ("--base", LOCAL, "--base", "same.json", "--new", "slow.json"),
        ("--base", LOCAL, "--base", "same.json", "slow.json"),
    ):
        _, out, _ = compare(*given, "--json")
        assert (json.loads(out)["base"]["runs"], json.loads(out)["new"]["runs"]) == (2, 1)
    _, out, _ = compare(LOCAL, "same.json", "slow.json", "--json")
    assert (json.loads(out)["base"]["runs"], json.loads(out)["new"]["runs"]) == (1, 2)
    _, out, _ = compare(LOCAL, "--new", "same.json", "--json")
    assert (json.loads(out)["base"]["runs"], json.loads(out)["new"]["runs"]) == (1, 1)


def test_files_for_ci(compare: Callable[..., Said], tmp_path: Path) -> None:
    assert compare(LOCAL, "slow.json", "--junit", "out/j.xml", "--markdown", "out/m.md")[0] == 1
    assert (tmp_path / "out" / "j.xml").read_text(encoding="utf-8").startswith("<?xml")
    assert "### ❌ Regression" in (tmp_path / "out" / "m.md").read_text(encoding="utf-8")


def test_the_policy_is_shown_saved_and_used(compare: Callable[..., Said], tmp_path: Path) -> None:
    code, out, _ = compare("--show-policy")
    assert (code, out) == (0, DEFAULT)
    (tmp_path / "policy.toml").write_text(out.replace('"5%"  # or', '"30%"  # or'), encoding="utf-8")
    code, out, _ = compare(LOCAL, "slow.json", "--policy", "policy.toml", "--json")
    assert [each["status"] for each in json.loads(out)["metrics"] if each["name"] == "p50"] == ["worse"]
    assert compare("--show-policy", "--policy", "policy.toml")[1].startswith("# The policy of 'edgeq compare'")
    assert json.loads(compare("--show-policy", "--json")[1])["policy"] == "default"


def test_a_baseline_is_saved_and_compared_with(compare: Callable[..., Said], tmp_path: Path) -> None:
    code, out, _ = compare("--save-baseline", "bench/baseline.json", LOCAL, "same.json")
    assert code == 0 and "2 runs" in out
    first = (tmp_path / "bench" / "baseline.json").read_bytes()
    compare("--save-baseline", "bench/baseline.json", LOCAL, "same.json")
    assert (tmp_path / "bench" / "baseline.json").read_bytes() == first
    assert compare("bench/baseline.json", "slow.json")[0] == 1


def test_a_degraded_baseline_is_saved_and_said_to_be_one(compare: Callable[..., Said]) -> None:
    busy = Issue("other_load", "degraded", "Other programs ran.")
    changed(verdict="degraded", issues=(busy,)).write(Path("busy.json"))
    code, out, _ = compare("--save-baseline", "baseline.json", LOCAL, "busy.json")
    assert code == 0 and "It holds degraded runs (other_load)" in out and "waive" in out
    assert json.loads(compare("--save-baseline", "baseline.json", LOCAL, "--json")[1])["degraded"] == []


def test_a_waiver_says_who_and_why(compare: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = compare(LOCAL, "threads.json", "--waive", "other_threads=a trial, once", "--json")
    assert code == 0
    expected = {"code": "other_threads", "by": "Ada", "reason": "a trial, once"}
    assert json.loads(out)["objections"][0]["waiver"] == expected
    monkeypatch.delenv("EDGEQ_WAIVED_BY")
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    _, out, _ = compare(LOCAL, "threads.json", "--waive", "other_threads=a trial")
    assert "Waived by octocat: a trial" in out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((LOCAL,), "Two sides are needed."),
        ((), "Two sides are needed."),
        ((LOCAL, "--base", "same.json", "--new", "slow.json"), "base or new?"),
        ((LOCAL, "same.json", "--waive", "other_threads"), "a code and a reason"),
        ((LOCAL, "same.json", "--waive", "other_thread=x"), "Did you mean 'other_threads'?"),
        ((LOCAL, "same.json", "--waive", "invalid_run=x"), "'invalid_run' cannot be waived"),
        (("--save-baseline", "b.json"), "A baseline is made of runs."),
        ((LOCAL, "same.json", "--policy", "none.toml"), "none.toml: cannot be read"),
    ],
)
def test_misuse_is_2(compare: Callable[..., Said], given: tuple[object, ...], words: str) -> None:
    code, _, err = compare(*given)
    assert code == 2
    assert words in err
