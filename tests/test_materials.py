"""What a project declares reaches every verb that builds."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from edgeq.materials import UNDECLARED, declared_by
from edgeq.project import read_project

PROJECT = """
[project]
labels = "names.txt"
[preprocess]
input = "image"
steps = [{ do = "scale", multiply = 0.5 }]
[interface]
threshold = 0.8
smoothing = 3
[evaluation]
metric = "f1"
[passport]
owner = "Ada"
[[waivers]]
code = "other-runtime"
by = "Ada"
reason = "measured"
"""


def test_all_of_it_comes_from_the_project(tmp_path: Path) -> None:
    (tmp_path / "edgeq.toml").write_text(PROJECT, encoding="utf-8")
    found = declared_by(read_project(tmp_path / "edgeq.toml"))
    missing = [each.name for each in fields(found) if getattr(found, each.name) == getattr(UNDECLARED, each.name)]
    assert missing == ["recipe_file"]
    assert found.labels == tmp_path / "names.txt"
    assert found.evaluation.metric == "f1" and found.about == {"owner": "Ada"}
    assert [waiver.code for waiver in found.waivers] == ["other-runtime"]
    assert declared_by(read_project(tmp_path / "edgeq.toml"), Path("own.txt")).labels == Path("own.txt")
