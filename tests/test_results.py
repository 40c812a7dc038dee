"""A run's folder: the manifest comes last, and says what belongs to it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from edgeq.errors import ArtifactError
from edgeq.results import MANIFEST, complete, publish, run_file
from edgeq.run import Plan, Run, Series, read_run

RUN = Run(
    *("2026-11-27T00:00:00Z", "0.1.0", {"name": "pi"}, {"name": "x"}),
    Plan(2, 1, 1),
    {},
    (
        Series("invoke", "ns", "measured", (1.5, 2.25), t_s=(0.1, 0.2)),
        Series("rss_peak", "bytes", "measured", (4096.0,)),
    ),
)


def test_what_is_published_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "one" / "run.json"
    publish(RUN, path)
    assert sorted(file.name for file in path.parent.iterdir()) == [MANIFEST, "run.json", "samples.csv"]
    assert complete(path)
    assert read_run(run_file(path.parent)) == RUN
    rows = list(csv.DictReader((path.parent / "samples.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["series"], row["t_s"], float(row["value"])) for row in rows] == [
        ("invoke", "0.1", 1.5),
        ("invoke", "0.2", 2.25),
        ("rss_peak", "", 4096.0),
    ]


def test_a_file_is_itself(tmp_path: Path) -> None:
    assert run_file(tmp_path / "any.json") == tmp_path / "any.json"


def test_without_a_manifest_it_is_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    publish(RUN, path)
    (tmp_path / MANIFEST).unlink()
    assert not complete(path)
    with pytest.raises(ArtifactError, match="the run is incomplete"):
        run_file(tmp_path)


@pytest.mark.parametrize("spoilt", ["run.json", "samples.csv"])
def test_what_was_changed_is_told(tmp_path: Path, spoilt: str) -> None:
    publish(RUN, tmp_path / "run.json")
    (tmp_path / spoilt).write_text("{}")
    with pytest.raises(ArtifactError, match=f"{spoilt}: is not what"):
        run_file(tmp_path)
    (tmp_path / spoilt).unlink()
    with pytest.raises(ArtifactError, match=spoilt):
        run_file(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"files": 3}', '{"files": {}}', json.dumps({"files": {"../x": {"size": 0, "sha256": ""}}})],
)
def test_a_strange_manifest(tmp_path: Path, text: str) -> None:
    publish(RUN, tmp_path / "run.json")
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ArtifactError):
        run_file(tmp_path)


def test_writing_over_it_makes_it_incomplete_first(tmp_path: Path) -> None:
    publish(RUN, tmp_path / "run.json")
    (tmp_path / "samples.csv").unlink()
    (tmp_path / "samples.csv").mkdir()
    with pytest.raises(OSError, match="directory"):
        publish(RUN, tmp_path / "run.json")
    assert not complete(tmp_path / "run.json")
