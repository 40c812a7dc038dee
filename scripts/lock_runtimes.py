"""Write `edgeq/runtimes/runtimes.toml`: every wheel of every runtime that edgeq pushes to devices, pinned by digest.

Run it after editing `RUNTIMES`: `python scripts/lock_runtimes.py`. It needs pip and a package index (about 300 MB the
first time); the output depends on nothing but the files it finds. Where a package has no wheel for a kind of device,
the lock has no line and stderr says so.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from edgeq.runtimes import LOCK, parse_file, pip_download

# (runtime, version): architectures, Python tags, packages. The interpreters need only numpy beside them; for armv7l
# no package index has numpy below 2, so there the device's own python3-numpy serves.
RUNTIMES = {
    ("ai-edge-litert", "2.3.0"): (
        ("aarch64", "x86_64"),
        ("cp310", "cp311", "cp312", "cp313"),
        (("ai-edge-litert", "2.3.0"), ("numpy", "2.2.6")),
    ),
    ("tflite-runtime", "2.14.0"): (
        ("aarch64", "armv7l", "x86_64"),
        ("cp39", "cp310", "cp311"),
        (("tflite-runtime", "2.14.0"), ("numpy", "1.26.4")),
    ),
}
KEYS = ("name", "version", "python", "arch", "glibc", "file", "sha256", "size")
GLIBC_MINORS = range(5, 42)
HEAD = """\
# Written by scripts/lock_runtimes.py; do not edit. One line per wheel: what the device must be, and which file that is.
# `glibc` is the least version the wheel runs on, `size` is in bytes.
"""


def find(package: str, version: str, python: str, arch: str, folder: Path) -> Path | None:
    """Download the wheel that runs on the oldest glibc; None where there is none."""
    tags = [f"manylinux_2_{minor}_{arch}" for minor in GLIBC_MINORS]
    tags[tags.index(f"manylinux_2_17_{arch}") :] = [
        f"manylinux2014_{arch}",
        *tags[tags.index(f"manylinux_2_17_{arch}") :],
    ]
    command = [*pip_download(python, tags, folder), f"{package}=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode and "No matching distribution" in done.stderr:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    name = f"{package.replace('-', '_')}-{version}-{python}-{python}-"
    return next(path for path in folder.iterdir() if path.name.startswith(name) and path.name.endswith(f"_{arch}.whl"))


def entry(path: Path) -> dict[str, str | int]:
    """One line of the lock, from the file itself."""
    said = parse_file(path.name)
    data = path.read_bytes()
    return {**said, "file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def line(data: dict[str, str | int]) -> str:
    # A JSON string or number of these characters is the same in TOML.
    return "  { " + ", ".join(f"{key} = {json.dumps(data[key])}" for key in KEYS) + " },"


def main() -> None:
    blocks = [HEAD]
    with tempfile.TemporaryDirectory() as part:
        for (runtime, number), (archs, pythons, packages) in RUNTIMES.items():
            lines = []
            for arch, python, (package, version) in ((a, p, q) for a in archs for p in pythons for q in packages):
                path = find(package, version, python, arch, Path(part))
                print(
                    f"{package} {version} {python} {arch}: {path.name if path else 'none'}", file=sys.stderr, flush=True
                )
                lines += [line(entry(path))] if path else []
            blocks.append(
                f'[[runtime]]\nname = "{runtime}"\nversion = "{number}"\nwheels = [\n' + "\n".join(lines) + "\n]\n"
            )
    LOCK.write_text("\n".join(blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
