"""The program in docs/micro.md compiles and classifies."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from bundles import MODEL

from edgeq.micro.compile import compile_model
from edgeq.micro.native import NativeModel

ROOT = Path(__file__).resolve().parents[2]
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


def test_the_program_answers_as_the_binding_does(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (apt install build-essential)")
    image = compile_model(MODEL.read_bytes()).image()
    with NativeModel(image) as model:
        x = np.random.default_rng(2).integers(-128, 128, model.input_bytes[0], np.int8).tobytes()
        (expected,) = model.invoke([x])
    (program,) = re.findall(r"```c\n(.*?)```", (ROOT / "docs" / "micro.md").read_text(), re.DOTALL)
    (tmp_path / "program.c").write_text(program)
    (tmp_path / "main.c").write_text(MAIN)
    rows = ",".join(map(str, image))
    data = f"const unsigned char model_image[] __attribute__((aligned(16))) = {{{rows}}};"
    (tmp_path / "image.c").write_text(f"{data}\nconst unsigned long model_image_bytes = sizeof model_image;\n")
    stubs = ROOT / "firmware_stubs"
    sources = [*stubs.glob("runtime/*.c"), *stubs.glob("runtime/kernels/*.c"), *tmp_path.glob("*.c")]
    flags = ["-std=gnu99", "-O1", f"-DOUTPUTS={len(expected)}", f"-I{stubs / 'include'}", f"-I{stubs / 'runtime'}"]
    command = [compiler, *flags, "-o", str(tmp_path / "program"), *map(str, sources)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    done = subprocess.run([tmp_path / "program"], input=x, capture_output=True, check=True, timeout=30)
    assert done.stdout == expected
