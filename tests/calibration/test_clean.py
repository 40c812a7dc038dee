"""Nothing is said against the good sets that real models come with."""

from __future__ import annotations

import gzip
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faults import FAULTS
from once import once
from practice import Case, findings, loud, train

from edgeq.preprocess import Preprocess, parse
from edgeq.quantize.convert import convert
from edgeq.quantize.recipe import Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREPROCESS = Path(__file__).resolve().parents[2] / "docs" / "preprocess.md"


def split(x: np.ndarray, y: np.ndarray | None, count: int, seed: int) -> Case:
    """`count` samples to calibrate on, and up to 200 others."""
    order = np.random.default_rng(seed).permutation(len(x))
    first, second = order[:count], order[count : count + 200]
    return Case(x[first], None if y is None else y[first], x[second], None if y is None else y[second])


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("count", [100, 300])
def test_keywords(tmp_path: Path, shared_models: Path, count: int, labelled: bool) -> None:
    with np.load(shared_models / "kws01_mfcc_int8.npz") as data:
        x, y = ((data["x"].astype(np.float32) - 83) * 0.5847029)[..., None], data["y"].astype(np.int64)
    case = split(x, y if labelled else None, count, count)
    assert not loud(findings(case, shared_models / "kws_float.tflite", tmp_path))


@pytest.fixture(scope="session")
def float_models(shared_models: Path) -> Path:
    """`ic.tflite` and `ad.tflite`, converted once a run."""

    def make(folder: Path) -> None:
        for name, file in (("ic", "ic_resnet8.h5"), ("ad", "ad01.h5")):
            found = convert(shared_models / file, None, recipe=Recipe("float32"))
            (folder / f"{name}.tflite").write_bytes(found.float_model)

    return once("calibration-float", make)


@pytest.mark.parametrize(
    ("count", "labelled"), [(100, True), (100, False), pytest.param(500, True, marks=pytest.mark.slow)]
)
def test_pictures(tmp_path: Path, shared_models: Path, float_models: Path, count: int, labelled: bool) -> None:
    with np.load(shared_models / "cifar10_jpg_cal1000.npz") as data:
        case = split(data["x"], data["y"].astype(np.int64) if labelled else None, count, count)
    assert not loud(findings(case, float_models / "ic.tflite", tmp_path))


@pytest.mark.parametrize(
    "name", ["BGR", "rows and columns exchanged", "inverted", "multiplied by 255", "divided by 255"]
)
@pytest.mark.parametrize("labelled", [True, False])
def test_a_fault_of_real_pictures(
    tmp_path: Path, shared_models: Path, float_models: Path, name: str, labelled: bool
) -> None:
    fault = next(each for each in FAULTS if each.name == name)
    with np.load(shared_models / "cifar10_jpg_cal1000.npz") as data:
        case = split(data["x"].astype(np.float32), data["y"].astype(np.int64) if labelled else None, 200, 5)
    seeded = fault.seed(replace(case, x_eval=None, y_eval=None))
    assert fault.code in loud(findings(seeded, float_models / "ic.tflite", tmp_path))


@pytest.mark.parametrize("count", [100, 400])
def test_sounds_of_machines(tmp_path: Path, shared_models: Path, float_models: Path, count: int) -> None:
    with np.load(shared_models / "ad01_logmel_f16.npz") as data:
        frames = data["x"].astype(np.float32).reshape(-1, 200, 128)
    rows = np.concatenate([frames[:, shift : shift + 196] for shift in range(5)], -1).reshape(-1, 640)[::33]
    assert not loud(findings(split(rows, None, count, count), float_models / "ad.tflite", tmp_path))


def chain() -> Preprocess:
    """From clips to the features of keyword spotting, as docs/preprocess.md has it."""
    block = PREPROCESS.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    return parse(tomllib.loads(block)["preprocess"])


def test_a_scale_that_costs_the_model_nothing_is_not_told(tmp_path: Path, digits: Path) -> None:
    """Known and documented: this model is right about as often in -1..1, so there is no evidence to go by."""
    case = digits_case(digits, 200, labelled=True)
    assert not loud(findings(Case(case.x * 2 - 1, case.y), digits / "digits.tflite", tmp_path))


def test_clips_through_preprocessing(tmp_path: Path, shared_models: Path) -> None:
    with np.load(shared_models / "kws01_audio_i16.npz") as data:
        case = Case(data["x"], data["y"].astype(np.int64))
    found = findings(case, shared_models / "kws_float.tflite", tmp_path, chain(), rate_hz=16_000)
    assert not loud(found)
    assert found["clipping"].actual == pytest.approx(1 / 150)


def test_faults_of_clips(tmp_path: Path, shared_models: Path) -> None:
    with np.load(shared_models / "kws01_audio_i16.npz") as data:
        x, y = data["x"][:100], data["y"][:100].astype(np.int64)
    loudest = np.clip(x.astype(np.int64) * 30, -32768, 32767).astype(np.int16)
    silent = x.copy()
    silent[::12] = 0
    noise = np.random.default_rng(0).integers(-20_000, 20_000, x.shape).astype(np.int16)
    for samples, code in ((loudest, "clipping"), (silent, "silence"), (noise, "noise")):
        found = findings(Case(samples, y), shared_models / "kws_float.tflite", tmp_path, chain(), rate_hz=16_000)
        assert code in loud(found), found


@pytest.fixture(scope="session")
def digits(shared_models: Path) -> Path:
    """MNIST, as `x.npy` (in 0..1) and `y.npy`, and `digits.tflite`, a small model without batch norms."""

    def make(folder: Path) -> None:
        images = gzip.decompress((shared_models / "mnist_t10k-images-idx3-ubyte.gz").read_bytes())[16:]
        labels = gzip.decompress((shared_models / "mnist_t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
        x = np.frombuffer(images, np.uint8).reshape(-1, 28, 28, 1)[:5000] / np.float32(255)
        y = np.frombuffer(labels, np.uint8)[:5000].astype(np.int64)
        train(folder, "digits", x[:4000], y[:4000], normalized=False, epochs=3)
        np.save(folder / "x.npy", x[4000:])
        np.save(folder / "y.npy", y[4000:])

    return once("calibration-digits", make)


def digits_case(folder: Path, count: int, labelled: bool) -> Case:
    x, y = np.load(folder / "x.npy"), np.load(folder / "y.npy")
    return split(x, y if labelled else None, count, count)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("count", [100, 500])
def test_digits(tmp_path: Path, digits: Path, count: int, labelled: bool) -> None:
    assert not loud(findings(digits_case(digits, count, labelled), digits / "digits.tflite", tmp_path))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda x: 1 - x, "polarity"),
        (lambda x: np.swapaxes(x, 1, 2), "orientation"),
        (lambda x: x / 255, "scale"),
    ],
    ids=["inverted", "rows and columns exchanged", "divided by 255"],
)
def test_a_fault_of_digits(tmp_path: Path, digits: Path, change: object, code: str) -> None:
    case = digits_case(digits, 200, labelled=True)
    assert callable(change)
    found = findings(Case(change(case.x), case.y), digits / "digits.tflite", tmp_path)
    assert code in loud(found), found
