"""A comparison in every form: the same figures, nothing that breaks the form, and the same bytes again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from sides import changed, timed

from edgeq.compare import Comparison, compare_runs, read_waiver
from edgeq.compare.judge import Judged
from edgeq.compare.policy import parse_policy
from edgeq.errors import UsageError
from edgeq.render.compared import RENDERERS, render_comparison, write_comparison
from edgeq.render.compared.json import document
from edgeq.render.compared.markdown import MARK
from edgeq.render.compared.words import change_text, value_text

QUIET = 1e6 * (1 + 0.003 * np.random.default_rng(0).standard_normal(200))
HOSTILE = "<script>&|`*_[a](javascript:b)@team\x1b[31m\n]]>"


def regression() -> Comparison:
    waiver = read_waiver("other_threads", "Ada", "a trial")
    new = timed(QUIET * 1.2, plan={"threads": 4}, before={"governor": "performance"})
    return compare_runs([timed(QUIET)], [new], None, [waiver])


def hostile() -> Comparison:
    made = compare_runs([timed(QUIET)], [timed(QUIET * 1.2, release={"name": HOSTILE})])
    return replace(made, policy=HOSTILE, metrics=tuple(replace(each, note=HOSTILE) for each in made.metrics))


def test_the_text_tells_verdict_table_and_waiver() -> None:
    text = render_comparison(regression(), "text")
    lines = text.splitlines()
    assert lines[0].startswith("Regression: worse than allowed: p50, p90")
    row = next(line for line in lines if line.startswith("p50"))
    assert "1.00 ms" in row and "1.20 ms" in row and "+20.0 % (+19.9 .. +20.1)" in row and row.endswith("regression")
    assert any("waived [other_threads]" in line and "Waived by Ada: a trial" in line for line in lines)
    assert any("warning [other_governor]" in line for line in lines)
    assert "Arena" not in text  # what neither side has and nobody asked for
    assert lines[-1].startswith("  95 % intervals; policy: default; ")


def test_a_refusal_says_what_to_do_and_compares_nothing() -> None:
    made = compare_runs([timed(QUIET)], [timed(QUIET, plan={"threads": 4})])
    text = render_comparison(made, "text")
    assert "refused [other_threads] The runs used different numbers of threads: 1 and 4. Bench with" in text
    row = next(line for line in text.splitlines() if line.startswith("p50"))
    assert row.split()[-1] == "refused" and "%" not in row.replace("5 %", "")


def test_markdown_begins_with_its_mark_and_keeps_its_table() -> None:
    lines = render_comparison(regression(), "markdown").splitlines()
    assert lines[0] == MARK
    assert lines[1].startswith("### ❌ Regression")
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {7}
    assert any(line.startswith("| p50 | 1.00 ms | 1.20 ms | +20.0 %") and line.endswith("❌ |") for line in table)


def test_markdown_takes_nothing_from_a_run_as_markup() -> None:
    text = render_comparison(hostile(), "markdown")
    assert "<script" not in text and "](javascript" not in text and "@team" not in text and "\x1b" not in text
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {7}


@pytest.mark.parametrize("make", [regression, hostile])
def test_junit_is_xml_with_a_case_for_each_figure_and_objection(make: object) -> None:
    made: Comparison = make()  # type: ignore[operator]
    root = ElementTree.fromstring(render_comparison(made, "junit"))
    (suite,) = root
    cases = {(case.get("classname"), case.get("name")): case for case in suite.iter("testcase")}
    assert int(suite.get("tests", 0)) == len(cases)
    for tag, key in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.get(key, -1)) == int(root.get(key, -1)) == len(list(suite.iter(tag)))
    for objection in made.objections:
        assert ("edgeq.compare.objections", objection.code) in cases
    if made.verdict == "regression":
        (failure,) = cases["edgeq.compare.metrics", "p50"]
        assert failure.tag == "failure" and "+20.0 %" in failure.get("message", "")
    else:
        assert cases["edgeq.compare.objections", "other_model"][0].tag == "error"


def test_json_is_the_whole_result() -> None:
    made = regression()
    read = json.loads(render_comparison(made, "json"))
    assert read == json.loads(json.dumps(document(made)))
    assert (read["schema"], read["kind"], read["verdict"], read["exit_code"]) == (
        1,
        "edgeq-comparison",
        "regression",
        1,
    )
    assert read["objections"][0]["waiver"] == {"code": "other_threads", "by": "Ada", "reason": "a trial"}
    assert read["metrics"][0]["name"] == "p50" and read["metrics"][0]["low"] < read["metrics"][0]["change"]


@pytest.mark.parametrize("form", RENDERERS)
def test_the_same_bytes_again_and_whole_files(form: str, tmp_path: Path) -> None:
    made = regression()
    write_comparison(made, form, tmp_path / "deep" / "file")
    assert (tmp_path / "deep" / "file").read_text(encoding="utf-8") == render_comparison(made, form)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]
    with pytest.raises(UsageError, match="cannot be written"):
        write_comparison(made, form, tmp_path / "deep" / "file" / "below")


def p50(policy: str) -> Judged:
    asked = parse_policy(policy, "the test")
    return compare_runs([timed(QUIET)], [timed(QUIET * 1.2)], asked).metrics[0]


def test_values_in_the_unit_that_the_policy_names() -> None:
    us = p50('[metrics.p50]\nunit = "us"\nmax_regression = "5 us"')
    assert (value_text(us, us.base), change_text(us).split(" (")[0]) == ("1,000 us", "+200 us")
    coarse = p50('[metrics.p50]\nunit = "s"\nmax_regression = "5 us"')
    assert change_text(coarse).startswith("+0.00020 s (+0.00020 ..")
    plain = p50('[metrics.p50]\nmax_regression = "5 us"')
    assert (value_text(plain, plain.base), change_text(plain).split(" (")[0]) == ("1.00 ms", "+200 us")
    points = compare_runs([changed()], [changed()]).metrics[-1]
    assert (points.name, value_text(points, points.base), change_text(points)) == ("accuracy", "96.67 %", "0 points")


@pytest.mark.parametrize("made", [regression(), hostile()], ids=["regression", "hostile"])
def test_a_reader_of_junit_counts_what_we_count(made: Comparison) -> None:
    junitparser = pytest.importorskip("junitparser", reason="junitparser is not installed")
    parsed = junitparser.JUnitXml.fromstring(render_comparison(made, "junit").encode())
    told = parsed.tests, parsed.failures, parsed.errors, parsed.skipped
    parsed.update_statistics()  # counts the cases itself
    assert told == (parsed.tests, parsed.failures, parsed.errors, parsed.skipped)
    kinds = {type(result).__name__ for suite in parsed for case in suite for result in case.result}
    assert kinds >= ({"Failure"} if made.verdict == "regression" else {"Error"})
