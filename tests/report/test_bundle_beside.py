"""What lies beside a run: a bundle is taken only if its digest, and that of each member, is the one that is named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeq.quantize.recipe import Recipe
from edgeq.report.evidence import NONE, evidence
from edgeq.report.section import section
from edgeq.run import Run, read_run

LOCAL = read_run(Path(__file__).resolve().parents[1] / "cases" / "runs" / "local-measured.json")
FINDING = {"code": "memory", "severity": "warning", "message": "It may get tight.", "hint": "Use a smaller one."}
BUILT, OTHER, WRONG = Recipe("static_wi8_ai8"), Recipe("float16"), Recipe("static_wi8_ai16")


def trial(recipe: Recipe, **more: Any) -> dict[str, Any]:
    return {
        "recipe": recipe.to_json(),
        "size_bytes": 1000,
        "sqnr_db": 30.0,
        "loss": 0.5,
        "work": 1,
        "error": "",
        **more,
    }


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder as a build leaves it, with the search beside it."""
    folder = tmp_path / "digits-pi"
    folder.mkdir()
    passport = {
        "findings": [FINDING, {"severity": "odd", "message": "x"}],
        "recipe": {"sha256": BUILT.sha256, "told": BUILT.to_json()},
        "lineage": {"source": {"kind": "keras", "spec": "digits.keras", "sha256": "ab" * 32}},
        "versions": {"numpy": "2.4.6", "edgeq": "0.1.0"},
    }
    told = json.dumps(passport).encode()
    (folder / "passport.json").write_bytes(told)
    manifest = {"files": {"passport.json": {"sha256": hashlib.sha256(told).hexdigest()}}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    search = {
        "recipe": BUILT.to_json(),
        "trials": [trial(BUILT), trial(OTHER, size_bytes=2000, sqnr_db=60.0), trial(WRONG, error="does not fit")],
        "front": [BUILT.sha256, OTHER.sha256],
    }
    (tmp_path / "digits-pi.search.json").write_text(json.dumps(search), encoding="utf-8")
    return folder


def run_of(folder: Path) -> Run:
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    return replace(LOCAL, release={**LOCAL.release, "digest": digest})


def test_findings_recipe_and_tools_come_from_the_bundle(bundle: Path) -> None:
    run = run_of(bundle)
    made = section(run, "x", evidence(run, [bundle.parent / "gone", bundle]))
    assert next((each.severity, each.code, each.origin) for each in made.advice) == ("warning", "memory", "bundle")
    origin = dict(made.origin)
    assert origin["Recipe"] == f"static_wi8_ai8; {BUILT.sha256}"
    assert origin["Source"] == f"digits.keras, keras; {'ab' * 32}"
    assert origin["Built with"] == "edgeq 0.1.0, numpy 2.4.6"


def test_the_search_that_led_to_the_bundle_is_told(bundle: Path) -> None:
    first, second = evidence(run_of(bundle), [bundle]).trials
    assert (first.recipe, first.front, first.chosen) == ("static_wi8_ai8", True, True)
    assert (second.recipe, second.front, second.chosen) == ("float16", True, False)


def test_a_search_for_another_recipe_is_not(bundle: Path) -> None:
    path = bundle.parent / "digits-pi.search.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**told, "recipe": OTHER.to_json()}), encoding="utf-8")
    assert evidence(run_of(bundle), [bundle]).trials == ()


def test_another_digest_is_another_bundle(bundle: Path) -> None:
    assert evidence(LOCAL, [bundle]) is NONE


def test_a_passport_that_was_changed_is_left_aside(bundle: Path) -> None:
    (bundle / "passport.json").write_text('{"findings": []}', encoding="utf-8")
    assert evidence(run_of(bundle), [bundle]).passport == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"trials": [5], "recipe": 1}'])
def test_an_odd_search_is_no_search(bundle: Path, text: str) -> None:
    (bundle.parent / "digits-pi.search.json").write_text(text, encoding="utf-8")
    assert evidence(run_of(bundle), [bundle]).trials == ()
