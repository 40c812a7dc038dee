"""What a device says of the place where its store lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeq.agent.facts import describe, parse_mounts, place_findings

PLAIN = "/dev/root / ext4 rw,noatime 0 0\ntmpfs /run tmpfs rw,nosuid 0 0\n/dev/sda1 /media/my\\040disk vfat rw 0 0\n"
UBUNTU = (
    "tmpfs-root /media/root-rw tmpfs rw,relatime 0 0\n/dev/mmcblk0p2 /media/root-ro ext4 ro,relatime 0 0\n"
    "overlayroot / overlay rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/w 0 0\n"
    "/dev/mmcblk0p3 /data ext4 rw 0 0\n"
)
CONTAINER = "overlay / overlay rw,lowerdir=/l,upperdir=/var/lib/docker/1/diff,workdir=/w 0 0\ntmpfs /tmp tmpfs rw 0 0\n"


@pytest.mark.parametrize(
    ("mounts", "folder", "codes"),
    [
        (PLAIN, "/home/pi/store", []),
        (PLAIN, "/media/my disk/store", []),
        (PLAIN, "/run/store", ["store-in-memory"]),
        (PLAIN, "/running/store", []),
        (PLAIN.replace("rw,noatime", "ro,noatime"), "/home/pi/store", ["store-read-only"]),
        (PLAIN.replace("rw,noatime", "rw,noexec"), "/home/pi/store", ["store-noexec"]),
        (UBUNTU, "/home/pi/store", ["store-in-memory"]),
        (UBUNTU, "/data/store", []),
        (CONTAINER, "/root/store", ["store-on-overlay"]),
        (CONTAINER, "/tmp/store", ["store-in-memory"]),
        (PLAIN + "tmpfs /home tmpfs rw 0 0\n/dev/sdb /home ext4 rw 0 0\n", "/home/pi", []),
        ("", "/", []),
        ("garbage\n", "/", []),
    ],
)
def test_findings_of_a_place(mounts: str, folder: str, codes: list[str]) -> None:
    found = place_findings(parse_mounts(mounts), folder)
    assert [item["code"] for item in found] == codes
    assert all(item["message"].startswith(folder) and item["hint"] for item in found)


def test_the_size_of_the_store_s_file_system_is_told(tmp_path: Path) -> None:
    facts, seen = describe(tmp_path, ""), os.statvfs(tmp_path)
    assert facts["disk_bytes"] == seen.f_blocks * seen.f_frsize
    assert 0 <= facts["free_bytes"] < facts["disk_bytes"]
