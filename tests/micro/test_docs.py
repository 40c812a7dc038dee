"""The program in docs/micro.md compiles and classifies; the tables of operators there and in DESIGN.md are whole."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from bundles import MODEL

from edgeq.micro.compile import compile_model
from edgeq.micro.lower import OPERATORS
from edgeq.micro.luts import FLOATS
from edgeq.micro.native import NativeModel
from edgeq.micro.records import KERNELS

ROOT = Path(__file__).resolve().parents[2]
STRICT = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
MAIN = """
#include <stdio.h>
int classify(const signed char *features, signed char *scores);
int main(void)
{
    signed char features[4096], scores[4096];
    size_t inputs = fread(features, 1, sizeof features, stdin);
    if (inputs == 0 || classify(features, scores) != 0) {
        return 1;
    }
    fwrite(scores, 1, OUTPUTS, stdout);
    return 0;
}
"""


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_program_answers_as_the_binding_does(tmp_path: Path, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    image = compile_model(MODEL.read_bytes()).image()
    with NativeModel(image) as model:
        x = np.random.default_rng(2).integers(-128, 128, model.input_bytes[0], np.int8).tobytes()
        (expected,) = model.invoke([x])
    page = (ROOT / "docs" / "micro.md").read_text()
    for name, language in (("program.c", "c"), ("image.S", "asm")):
        (text,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
        (tmp_path / name).write_text(text)
    (tmp_path / "main.c").write_text(MAIN)
    (tmp_path / "image.eqi").write_bytes(image)
    stubs = ROOT / "firmware_stubs"
    sources = [*stubs.glob("runtime/*.c"), *stubs.glob("runtime/kernels/*.c"), "main.c", "program.c", "image.S"]
    flags = [*STRICT, f"-DOUTPUTS={len(expected)}", f"-I{stubs / 'include'}", f"-I{stubs / 'runtime'}"]
    command = [compiler, *flags, "-Wa,--noexecstack", "-o", "program", *map(str, sources)]
    subprocess.run(command, check=True, timeout=120, cwd=tmp_path)
    done = subprocess.run([tmp_path / "program"], input=x, capture_output=True, check=True, timeout=30)
    assert done.stdout == expected


@pytest.mark.parametrize("page", ["docs/micro.md", "firmware_stubs/DESIGN.md"])
def test_every_operator_is_told(page: str) -> None:
    words = set(re.findall(r"[A-Z][A-Z0-9_]+", (ROOT / page).read_text()))
    assert {*OPERATORS, *FLOATS} <= words


def test_every_kernel_is_in_the_design() -> None:
    rows = re.findall(r"^\| .* \|$", (ROOT / "firmware_stubs" / "DESIGN.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[2])}
    assert named >= set(KERNELS.values())
