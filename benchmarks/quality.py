"""What post-training quantization keeps of float models, next to TensorFlow's quantizer on the same float `.tflite`.

Ranges and repairs are fitted on calibration data alone; test data is for judging. Every figure is a difference to the
float model on the same samples, or a difference to TensorFlow's result in the same run. Answers are compared before a
softmax, in dB of signal to error. The folder shared/models must lie beside the checkout; the models `mnist` (batch
norm, residuals) and `mobilenet` (MobileNetV1-0.25 at 48x48, ReLU6) are trained here and are in no folder.

    python benchmarks/quality.py [--case NAME ...] [--seeds N] [--cache FOLDER] [--json FILE] [--markdown FILE]

Exit code 1: a bar is missed. Quantization-aware training has benchmarks/qat.py.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.model.tflite import read_model
from edgeq.quantize.convert import convert
from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.outputs import Runner, sqnr_db
from edgeq.quantize.recipe import Ranging, Recipe
from edgeq.quantize.repair.channels import families, scale
from edgeq.quantize.repair.choose import choose
from edgeq.quantize.repair.mixed import steps
from edgeq.quantize.repair.net import Net
from edgeq.quantize.samples import as_samples
from edgeq.quantize.verify import check_mode
from edgeq.stats import paired_difference

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"
Array = NDArray[Any]
_TRAIN = """
import sys, numpy as np, keras
from keras import layers as L
keras.utils.set_random_seed(1)
data = np.load(sys.argv[1] + "/mnist.npz")
x, y = data["x"][:8000], data["y"][:8000]
i = keras.Input((28, 28, 1))
t = L.ReLU()(L.BatchNormalization()(L.Conv2D(16, 3, padding="same")(i)))
for size in (16, 32):
    s = L.Conv2D(size, 1, strides=2)(t)
    t = L.ReLU()(L.BatchNormalization()(L.Conv2D(size, 3, strides=2, padding="same")(t)))
    t = L.ReLU()(L.Add()([s, L.BatchNormalization()(L.Conv2D(size, 3, padding="same")(t))]))
mnist = keras.Model(i, L.Dense(10, activation="softmax")(L.GlobalAveragePooling2D()(t)))
i = keras.Input((48, 48, 1))
core = keras.applications.MobileNet((48, 48, 1), alpha=0.25, include_top=False, weights=None, input_tensor=i)
mobile = keras.Model(i, L.Dense(10, activation="softmax")(L.GlobalAveragePooling2D()(core.output)))
big = np.pad(x, ((0, 0), (10, 10), (10, 10), (0, 0)))
for name, model, given in (("mnist", mnist, x), ("mobilenet", mobile, big)):
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(given, y, epochs=4, batch_size=64, verbose=0)
    model.save(sys.argv[1] + "/" + name + ".keras")
"""


@dataclass(frozen=True)
class Task:
    """A float model with samples and labels; `groups` (n,) are clips of which several samples are a part, for `auc`."""

    name: str
    model: bytes
    x: Array
    y: Array
    groups: Array | None = None

    def split(self, seed: int, count: int) -> tuple[Array, Task]:
        """`count` samples to calibrate on, and the task without them (and without their clips)."""
        drawn = np.random.default_rng(seed).permutation(len(self.x))
        if self.groups is None:
            rest = np.sort(drawn[count:])[:900]
            return self.x[drawn[:count]], replace(self, x=self.x[rest], y=self.y[rest])
        clips = np.random.default_rng(seed).permutation(np.unique(self.groups[self.y == 0]))[:15]
        inside = np.isin(self.groups, clips)
        chosen = drawn[inside[drawn]][:count]
        kept = ~inside
        return self.x[chosen], replace(self, x=self.x[kept], y=self.y[kept], groups=self.groups[kept])


@dataclass(frozen=True)
class Judged:
    """One model on a task: SQNR in dB, and points lost against float with the upper end of the 95 % interval."""

    sqnr_db: float
    lost: float
    most: float


@dataclass(frozen=True)
class Row:
    """A line of the table: `figure` is what the bar is about."""

    case: str
    model: str
    tf: str
    ours: str
    bar: str
    met: bool
    figure: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="*", choices=[*CASES], default=[*CASES])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="keeps the trained and converted models")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    if not MODELS.is_dir():
        print("skipped: the folder shared/models beside the checkout is absent")
        return 0
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(1, get_context("spawn")) as pool:
        bench = Bench(given.cache or Path(name), pool, given.seeds)
        for case in given.case:
            for row in CASES[case](bench):
                rows.append(row)
                print(_line(row), flush=True)
                _keep(rows, given.json, given.markdown)
    return int(not all(row.met for row in rows))


class Bench:
    """Where models are kept, and the process in which TensorFlow quantizes."""

    def __init__(self, folder: Path, pool: ProcessPoolExecutor, seeds: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._pool, self.seeds = folder, pool, seeds
        self.task = cache(self._task)

    def tf(self, model: bytes, x: Array, kind: str = "int8") -> bytes:
        """TensorFlow's own post-training quantization of the float `.tflite`."""
        return self._pool.submit(_tensorflow, model, x, kind).result()

    def _task(self, name: str) -> Task:
        if name == "kws":
            held = np.load(MODELS / "kws01_mfcc_int8.npz")
            x = ((held["x"].astype(np.float32) - 83) * np.float32(0.5847029))[..., None]
            return Task(name, (MODELS / "kws_float.tflite").read_bytes(), x, held["y"])
        if name == "ic":
            held = np.load(MODELS / "cifar10_jpg_cal1000.npz")
            return Task(name, self._float(MODELS / "ic_resnet8.h5"), held["x"].astype(np.float32), held["y"].ravel())
        if name == "ad":
            held = np.load(MODELS / "ad01_logmel_f16.npz")
            bands = held["x"].astype(np.float32).reshape(-1, 200, 128)
            places = range(0, 196, 14)
            x = np.stack([bands[:, place : place + 5].reshape(-1, 640) for place in places], 1)
            groups = np.repeat(np.arange(len(bands)), len(places))
            return Task(name, self._float(MODELS / "ad01.h5"), x.reshape(-1, 640), held["y"][groups], groups)
        return self._own(name)

    def _own(self, name: str) -> Task:
        path = self.folder / f"{name}.keras"
        if not path.is_file():
            _mnist(self.folder)
            subprocess.run([sys.executable, "-c", _TRAIN, str(self.folder)], check=True, capture_output=True)
        held = np.load(self.folder / "mnist.npz")
        x = held["x"][8000:]
        x = np.pad(x, ((0, 0), (10, 10), (10, 10), (0, 0))) if name == "mobilenet" else x
        return Task(name, self._float(path), x, held["y"][8000:])

    def _float(self, path: Path) -> bytes:
        kept = self.folder / f"{path.stem}.tflite"
        if not kept.is_file():
            kept.write_bytes(convert(path, None, recipe=Recipe("float32")).float_model)
        return kept.read_bytes()


def ours(model: bytes, x: Array) -> bytes:
    """What `edgeq build --repair` makes of it."""
    samples = as_samples(x)
    chosen, _ = choose(model, samples, Recipe())
    made = quantize(model, samples, chosen)
    check_mode(read_model(made), chosen)
    return made


def judge(task: Task, made: bytes) -> Judged:
    """`made` against the task's float model."""
    wanted, got = (_answers(task, each) for each in (task.model, made))
    if task.groups is None:
        right, float_right = (np.asarray(each.argmax(axis=1) == task.y, np.float64) for each in (got, wanted))
        lost, _, most = paired_difference(float_right, right)
    else:
        lost, most = _auc_lost(task, wanted, got)
    return Judged(sqnr_db(wanted, got), 100 * lost, 100 * most)


_KEPT: dict[tuple[int, int], Array] = {}


def _answers(task: Task, model: bytes) -> Array:
    key = (hash(model), hash(task.x.tobytes()))
    if key not in _KEPT:
        _KEPT[key] = Runner(model).answers(as_samples(task.x))
    return _KEPT[key]


def _auc_lost(task: Task, wanted: Array, got: Array) -> tuple[float, float]:
    """Of the area under the curve of clips scored by their mean square error, with the upper end of its interval."""
    assert task.groups is not None
    clips = np.unique(task.groups)
    labels = np.array([task.y[task.groups == clip][0] for clip in clips])
    scores = [
        np.array([np.square(each - task.x).mean(axis=1)[task.groups == clip].mean() for clip in clips])
        for each in (wanted, got)
    ]
    draws = np.random.default_rng(0)
    bad, good = np.flatnonzero(labels), np.flatnonzero(labels == 0)
    drawn = []
    for _ in range(2000):
        one, other = draws.choice(bad, len(bad)), draws.choice(good, len(good))
        drawn.append(_auc(scores[0], one, other) - _auc(scores[1], one, other))
    return _auc(scores[0], bad, good) - _auc(scores[1], bad, good), float(np.quantile(drawn, 0.975))


def _auc(scores: Array, bad: Array, good: Array) -> float:
    over = scores[bad][:, None] - scores[good][None]
    return float((over > 0).mean() + (over == 0).mean() / 2)


def clean(bench: Bench) -> Iterator[Row]:
    """100 clean samples."""
    for name in ("kws", "ic", "ad", "mnist", "mobilenet"):
        task = bench.task(name)
        pairs = []
        for seed in range(bench.seeds):
            x, test = task.split(seed, 100)
            pairs.append((judge(test, bench.tf(task.model, x)), judge(test, ours(task.model, x))))
        theirs, own = (_median([pair[side] for pair in pairs]) for side in (0, 1))
        worst = min(pair[1].sqnr_db - pair[0].sqnr_db for pair in pairs)
        met = own.lost <= theirs.lost + 1e-9 and own.most <= 1.5 and worst >= -0.05
        told = f"loss <= TF's, bound <= 1.5, dB >= TF's on each seed (least gain {worst:+.1f})"
        yield Row("100 clean samples", name, _told(theirs), _told(own), told, met, own.sqnr_db - theirs.sqnr_db)


def few(bench: Bench) -> Iterator[Row]:
    """10 samples."""
    for name, bar in (("kws", 3.0), ("ic", 2.0)):
        task, gains, told = bench.task(name), [], []
        for seed in range(bench.seeds):
            x, test = task.split(seed, 10)
            theirs, own = judge(test, bench.tf(task.model, x)), judge(test, ours(task.model, x))
            gains.append(own.sqnr_db - theirs.sqnr_db)
            told.append((theirs, own))
        gain = float(np.median(gains))
        theirs, own = (_median([pair[side] for pair in told]) for side in (0, 1))
        yield Row("10 samples", name, _told(theirs), _told(own), f"median gain >= {bar:g} dB", gain >= bar, gain)


def loud(bench: Bench) -> Iterator[Row]:
    """2 of 100 samples 20 times too large."""
    for name in ("kws", "ic"):
        x, test = bench.task(name).split(0, 100)
        x = x.copy()
        x[[3, 57]] *= 20
        theirs, own = judge(test, bench.tf(test.model, x)), judge(test, ours(test.model, x))
        _, evidence = choose(test.model, as_samples(x), Recipe())
        named = evidence.left_out == ("sample 3", "sample 57")
        met = own.lost <= 1 and named
        yield Row("2 % outliers x20", name, _told(theirs), _told(own), "lost <= 1, both named", met, own.lost)


def imbalance(bench: Bench) -> Iterator[Row]:
    """Channels scaled by log-normal factors, sigma 1.5; the float model computes the same."""
    for name in ("kws", "ic", "mnist"):
        task = bench.task(name)
        net, draw = Net(task.model), np.random.default_rng(0)
        for family in families(net):
            scale(net, family, draw.lognormal(0.0, 1.5, family.size))
        x, test = replace(task, model=net.pack()).split(0, 100)
        theirs, own = judge(test, bench.tf(test.model, x)), judge(test, ours(test.model, x))
        yield Row("channel imbalance", name, _told(theirs), _told(own), "lost <= 1", own.lost <= 1, own.lost)


def noise(bench: Bench) -> Iterator[Row]:
    """Calibrated on uniform noise; then on 32 real samples. tests/calibration/test_noise.py has the diagnosis."""
    task = bench.task("kws")
    x, test = task.split(0, 32)
    wrong = np.random.default_rng(0).uniform(x.min(), x.max(), x.shape).astype(np.float32)
    theirs, own = judge(test, bench.tf(task.model, wrong)), judge(test, ours(task.model, x))
    yield Row("noise, then 32 real samples", "kws", _told(theirs), _told(own), "lost <= 1", own.lost <= 1, own.lost)


def wide(bench: Bench) -> Iterator[Row]:
    """16-bit activations from 10 samples, without any search."""
    task, figures = bench.task("kws"), []
    for seed in range(bench.seeds):
        x, test = task.split(seed, 10)
        made = quantize(task.model, as_samples(x), Recipe("static_wi8_ai16"))
        figures.append((judge(test, bench.tf(task.model, x, "int16")), judge(test, made)))
    theirs, own = (_median([pair[side] for pair in figures]) for side in (0, 1))
    met = own.sqnr_db >= 38
    yield Row("int16, 10 samples", "kws", _told(theirs), _told(own), ">= 38 dB", met, own.sqnr_db)


def four(bench: Bench) -> Iterator[Row]:
    """4-bit weights where they cost least, down to 70 %: among what `edgeq build --max-accuracy-drop` tries."""
    task, figures = bench.task("ic"), []
    share = 0.0
    for seed in range(bench.seeds):
        x, test = task.split(seed, 100)
        samples = as_samples(x)
        walked = steps(task.model, samples, Recipe(ranges=Ranging("robust")))
        recipe = next(step.recipe for step in walked if step.size_bytes <= 0.7 * walked[0].size_bytes)
        made = quantize(task.model, samples, recipe)
        check_mode(read_model(made), recipe)
        share = max(share, len(made) / len(quantize(task.model, samples, Recipe())))
        plain = quantize(task.model, samples, Recipe("static_wi4_ai8"))
        figures.append((judge(test, plain), judge(test, made)))
    theirs, own = (_median([pair[side] for pair in figures]) for side in (0, 1))
    met = own.lost <= 3 and share <= 0.7
    told = f"lost <= 3 at <= 70 % of the int8 file ({share:.1%})"
    yield Row("4-bit weights", "ic", f"all layers, nearest: {_told(theirs)}", _told(own), told, met, own.lost)


CASES: dict[str, Callable[[Bench], Iterator[Row]]] = {
    each.__name__: each for each in (wide, few, loud, imbalance, noise, four, clean)
}


def _tensorflow(model: bytes, x: Array, kind: str) -> bytes:
    """Runs in the other process."""
    from edgeq.model.tf import Quantizer

    shape = read_model(model).inputs[0].shape
    feed = [[np.ascontiguousarray(each.reshape(shape), np.float32)] for each in x]
    quantizer = Quantizer(model, lambda: iter(feed))
    return quantizer.int8(per_channel=True, io="int8") if kind == "int8" else quantizer.int16("int16")


def _mnist(folder: Path) -> None:
    """The 10,000 pictures as (n, 28, 28, 1) in 0..1: 8,000 to train on, the rest to calibrate and test."""
    pixels, labels = (
        np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)[skip:]
        for path, skip in (
            (MODELS / "mnist_t10k-images-idx3-ubyte.gz", 16),
            (MODELS / "mnist_t10k-labels-idx1-ubyte.gz", 8),
        )
    )
    x = (pixels.reshape(-1, 28, 28, 1) / 255).astype(np.float32)
    np.savez(folder / "mnist.npz", x=x, y=labels.astype(np.int64))


def _median(judged: list[Judged]) -> Judged:
    return Judged(*(float(np.median([asdict(each)[name] for each in judged])) for name in ("sqnr_db", "lost", "most")))


def _told(judged: Judged) -> str:
    return f"{judged.lost:+.2f} pt (<= {judged.most:+.2f}), {judged.sqnr_db:.1f} dB"


def _line(row: Row) -> str:
    return f"| {row.case} | {row.model} | {row.tf} | {row.ours} | {row.bar} | {'met' if row.met else 'MISSED'} |"


def _keep(rows: list[Row], json_file: Path | None, markdown: Path | None) -> None:
    if json_file:
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    if markdown:
        head = "| case | model | TF: lost | edgeq: lost | bar | |\n|---|---|---|---|---|---|\n"
        markdown.write_text(head + "\n".join(map(_line, rows)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
