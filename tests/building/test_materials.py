"""What a project declares reaches every verb that builds."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from edgeq.building.materials import Declared, declared_by
from edgeq.project import Project, read_project

PROJECT = """
[project]
labels = "names.txt"
[evaluation]
metric = "f1"
[[waivers]]
code = "other-runtime"
by = "Ada"
reason = "measured"
"""


def test_all_of_it_comes_from_the_project() -> None:
    known = {each.name for each in fields(Project)}
    declared = {each.name for each in fields(Declared)}
    assert declared - known == {"recipe_file"}
    marks: dict[str, Any] = {name: object() for name in declared & known}
    found = declared_by(Project(Path(), **marks))
    assert {name for name, mark in marks.items() if getattr(found, name) is not mark} == set()


def test_labels_of_a_command_come_first(tmp_path: Path) -> None:
    (tmp_path / "edgeq.toml").write_text(PROJECT, encoding="utf-8")
    project = read_project(tmp_path / "edgeq.toml")
    found = declared_by(project)
    assert found.labels == tmp_path / "names.txt" and found.evaluation.metric == "f1"
    assert [waiver.code for waiver in found.waivers] == ["other-runtime"]
    assert declared_by(project, Path("own.txt")).labels == Path("own.txt")
