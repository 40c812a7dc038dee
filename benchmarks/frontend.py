"""Instructions of preprocessing one second of audio on an emulated Cortex-M4, beside TFLM's audio front end.

The peer is TFLM's own C++ (tensorflow/lite/experimental/microfrontend and kissfft), out of the source distribution of
pymicro-features, compiled with the same flags and run on the same recording; its bytes must be ours. The bar is that
`micro` takes no more instructions than it. The chain of MLPerf Tiny's keyword spotter, in 32 bits, is told beside it.

    python benchmarks/frontend.py [--peer FOLDER] [--json FILE] [--least 1.0]
"""

from __future__ import annotations

import argparse
import json
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests" / "firmware"), str(ROOT / "tests" / "micro" / "frontend")]
import board  # type: ignore[import-not-found]  # noqa: E402 (the folder is not on the path before)
from fronts import audio, front, noise, tensor  # type: ignore[import-not-found]  # noqa: E402

PEER = "pymicro-features==2.0.2"
HERE = Path(__file__).parent / "frontend"
SAMPLES = 16_000
CPU = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
FLAGS = ("-O2", "-ffunction-sections", "-fdata-sections", "-fno-exceptions", "-fno-rtti", "-DFIXED_POINT=16", "-w")
TOOLS = ("arm-none-eabi-g++",)
HEADERS = ("stdint", "stddef", "stdio", "stdlib", "string", "math", "limits")
KWS = (
    {"do": "peak", "of": "max"},
    {"do": "clip", "low": -1.0, "high": 1.0},
    {"do": "frame", "length": 480, "step": 320},
    {"do": "window"},
    {"do": "spectrum", "fft": 512},
    {"do": "mel", "bins": 40, "low_hz": 20, "high_hz": 4000},
    {"do": "log"},
    {"do": "mfcc", "count": 10},
)


def peer_sources(folder: Path) -> Path:
    """The peer's sources, fetched by pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", PEER]
    subprocess.run([*command, "-d", str(folder)], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def peer_library(sources: Path, folder: Path) -> Path:
    """The peer as one object for the board."""
    library = sources / "tensorflow" / "lite" / "experimental" / "microfrontend" / "lib"
    unwanted = ("_test", "_io", "_main", "generator")
    files = [path for path in sorted(library.glob("*.cc")) if not any(word in path.name for word in unwanted)]
    files.append(HERE / "peer.cc")
    headers = folder / "headers"
    headers.mkdir()
    for name in HEADERS:  # the board's toolchain may come without a C++ library, of which no more is needed
        (headers / f"c{name}").write_text(f"#include <{name}.h>\n")
    objects = []
    for path in files:
        objects.append(str(folder / f"tflm_{path.stem}.o"))
        include = [f"-I{headers}", f"-I{sources}", f"-I{sources / 'kissfft'}", f"-I{sources / 'kissfft' / 'tools'}"]
        command = ["arm-none-eabi-g++", *CPU, *FLAGS, *include, "-c", str(path), "-o", objects[-1]]
        subprocess.run(command, check=True)
    joined = folder / "tflm.o"
    subprocess.run(["arm-none-eabi-gcc", *CPU, "-r", "-nostdlib", "-o", str(joined), *objects, "-lm"], check=True)
    return joined


def run(program: Path, head: bytes, data: bytes) -> tuple[int, bytes]:
    """Instructions, and the features."""
    memory = program.with_name("case.bin")
    memory.write_bytes(head + data)
    command = [
        "qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-no-reboot", "-serial", "stdio",
        "-icount", f"shift={board.ICOUNT_SHIFT}", "-semihosting-config", "enable=on,target=native",
        "-device", f"loader,file={memory},addr={board.FLASH:#x},force-raw=on", "-kernel", str(program),
    ]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=120)
    ticks, length = struct.unpack_from("<II", done.stdout)
    return round(ticks * board.INSTRUCTIONS_PER_TICK), done.stdout[8 : 8 + length]


def measure(sources: Path, folder: Path) -> dict[str, int]:
    """Instructions of each front end. SystemExit where the peer's features are not ours."""
    peer = peer_library(sources, folder)
    program = folder / "firmware.elf"
    variables = [
        f"BUILD={folder}",
        f"MAIN={HERE / 'main.c'}",
        "CORE=",
        f"CFLAGS={peer} -specs=nosys.specs -Wl,--defsym=end=0",
    ]
    command = ["make", "-s", "-C", str(board.FIRMWARE), "-f", "firmware.mk", "PORT=qemu_mps2_an386", *variables]
    subprocess.run(command, check=True, timeout=300, stderr=subprocess.DEVNULL)
    raw = noise(SAMPLES, 1)
    count, features = run(program, struct.pack("<4I", 0, SAMPLES, 0, 0), raw.array.tobytes())
    found = {"TFLM": count}
    for name, steps, shape in (("micro", ({"do": "micro"},), (98, 40)), ("keyword spotting", KWS, (49, 10))):
        dtype, scale = ("int16", 1.0) if name == "micro" else ("int8", 0.5)
        given = tensor((1, *shape), dtype, scale)
        image = front(audio(*steps), given, [(raw, [bytes(given.data_bytes)])]).image
        found[name], made = run(program, struct.pack("<4I", len(image), 0, 0, 0), image)
        if name == "micro" and made != np.frombuffer(features, "<u2").astype("<i2").tobytes():
            raise SystemExit("the peer gives other features than edgeq")
    return found


def main() -> int:
    """Print the table; exit code 1 where `micro` takes more instructions than the peer, by `--least`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peer", type=Path, help="unpacked sources of pymicro-features")
    parser.add_argument("--least", type=float, default=1.0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    missing = [*board.missing_tools(), *(tool for tool in TOOLS if shutil.which(tool) is None)]
    if missing:
        parser.error(f"not installed: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as work:
        found = measure(given.peer or peer_sources(Path(work)), Path(work))
    ratio = round(found["TFLM"] / found["micro"], 3)
    print(f"{'front end':18} {'instructions':>13}   one second at 16 kHz, Cortex-M4")
    for name, count in found.items():
        print(f"{name:18} {count:13,}")
    print(f"micro is {ratio} times as fast as TFLM's")
    if given.json:
        report = {"unit": "instructions", "peer": PEER, "found": found, "ratio": ratio, "least": given.least}
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if ratio >= given.least else 1


if __name__ == "__main__":
    sys.exit(main())
