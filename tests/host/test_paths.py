"""Files of edgeq's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeq.host.paths import write_whole


def test_a_file_is_written_whole_and_its_folder_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.json"
    for text in ("one\n", "two\n"):
        write_whole(path, text)
        assert path.read_bytes() == text.encode()
    assert [item.name for item in path.parent.iterdir()] == ["run.json"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_permissions_are_the_umask_s_or_those_that_are_given(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "mine", "")
        write_whole(tmp_path / "read", "", 0o644)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("mine", "read")] == [0o600, 0o644]


def test_what_was_there_stays_where_nothing_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_whole(path, "old")
    (tmp_path / ".run.json.part").mkdir()  # in the way
    with pytest.raises(OSError):
        write_whole(path, "new")
    assert path.read_text() == "old"
