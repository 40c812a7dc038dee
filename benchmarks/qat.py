"""What quantization-aware training keeps of a float model's accuracy, on samples that it never saw.

Cases (the folder shared/models must lie beside the checkout):

- `ic4`: weights of 4 bits (first and last layer 8), CIFAR-10 ResNet-8, self-distilled without labels. For each fold 800
  JPEG pictures are trained on and the other 200 judged; the 200 raw pictures are judged as well. Bars: at most 2 points
  lost against float on the same samples, all folds together; at most 70 % of the int8 file.
- `kws8`: int8 of the keyword network after its channels were made unequal (function-preserving, log-normal, sigma 1.5);
  half of the 400 samples trained on, half judged. Bar: at most 1 point lost.
- `ic8`, `kws8h`: int8 of the same two networks as they are, healthy, on the same folds and halves. `repaired` is what
  `edgeq build --repair` makes of the samples that were trained on. Bar: at most 1 point lost.

    python benchmarks/qat.py [--case NAME] [--folds N] [--epochs N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.finetune.finetune import finetune
from edgeq.finetune.settings import Settings
from edgeq.quantize.convert import convert
from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.outputs import Runner, sqnr_db
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.channels import families, scale
from edgeq.quantize.repair.choose import choose
from edgeq.quantize.repair.net import Net
from edgeq.quantize.samples import as_samples
from edgeq.stats import paired_difference

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"
Array = NDArray[Any]
SIGMA = 1.5


@dataclass(frozen=True)
class Judged:
    """One model on one set: whether each answer is right; SQNR against float in dB."""

    right: Array
    float_right: Array
    sqnr_db: float


@dataclass(frozen=True)
class Line:
    """What is printed: points lost against float on the same samples, with their 95 % interval."""

    case: str
    model: str
    judged: str
    samples: int
    float_accuracy: float
    accuracy: float
    lost: float
    low: float
    high: float
    sqnr_db: float
    size_share: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=0, help="0: the case's own")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not MODELS.is_dir():
        print("skipped: the folder shared/models beside the checkout is absent")
        return 0
    lines: list[Line] = []
    missed = []
    for name, (case, limit, share) in CASES.items():
        if given.case not in (name, "all"):
            continue
        for line in case(given.folds, given.epochs):
            lines.append(line)
            print(_text(line), flush=True)
            if line.model == "trained" and (line.lost > limit or line.size_share > share) and line.judged != "raw":
                missed.append(f"{name}: {line.lost:.2f} points lost (bar {limit}), size {line.size_share:.0%}")
    if given.json:
        given.json.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n", encoding="utf-8")
    print("\n".join(f"MISSED {each}" for each in missed) or "all bars are met")
    return int(bool(missed))


def _ic(name: str, bits: int, usual: int, folds: int, epochs: int) -> Iterator[Line]:
    held, raw = (np.load(MODELS / name) for name in ("cifar10_jpg_cal1000.npz", "ic01_raw200.npz"))
    (x, y), (raw_x, raw_y) = ((each[each.files[0]].astype(np.float32), each[each.files[1]]) for each in (held, raw))
    source = convert(MODELS / "ic_resnet8.h5", None, recipe=Recipe("float32")).float_model
    order = np.random.default_rng(0).permutation(len(x))
    found: dict[tuple[str, str], list[Judged]] = {}
    share = {}
    for fold in range(folds):
        judged = order[fold * 200 : fold * 200 + 200]
        learned = np.setdiff1d(order, judged)
        settings = Settings(bits=bits, epochs=epochs or usual, held_back=0.1, seed=fold)
        models = _trained(MODELS / "ic_resnet8.h5", source, x[learned], settings)
        share = {name: len(model) / len(models["int8"]) for name, model in models.items()}
        for which, model in models.items():
            sets = {"jpeg": (x[judged], y[judged]), "raw": (raw_x, raw_y)}
            for title, (samples, labels) in sets.items():
                found.setdefault((which, title), []).append(_judge(source, model, samples, labels))
    for (which, title), each in found.items():
        yield _line(name, which, title, each, share[which])


def _kws(name: str, spoil: Callable[[bytes], bytes], _folds: int, epochs: int) -> Iterator[Line]:
    held = np.load(MODELS / "kws01_mfcc_int8.npz")
    x = ((held["x"].astype(np.float32) - 83) * 0.5847029)[..., None]
    source = spoil((MODELS / "kws_float.tflite").read_bytes())
    order = np.random.default_rng(0).permutation(len(x))
    learned, judged = order[:200], order[200:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kws.tflite"
        path.write_bytes(source)
        models = _trained(path, source, x[learned], Settings(epochs=epochs or 20, held_back=0.1))
    for title, model in models.items():
        each = _judge(source, model, x[judged], held["y"][judged])
        yield _line(name, title, "held back", [each], len(model) / len(models["int8"]))


def unequal(model: bytes, seed: int = 0) -> bytes:
    """`model` with the channels between its layers scaled by a log-normal factor each; it computes the same."""
    net, draw = Net(model), np.random.default_rng(seed)
    for family in families(net):
        scale(net, family, draw.lognormal(0.0, SIGMA, family.size))
    return net.pack()


CASES: dict[str, tuple[Callable[[int, int], Iterator[Line]], float, float]] = {
    "ic4": (partial(_ic, "ic4", 4, 30), 2.0, 0.7),
    "kws8": (partial(_kws, "kws8", unequal), 1.0, 1.05),
    "ic8": (partial(_ic, "ic8", 8, 20), 1.0, 1.05),
    "kws8h": (partial(_kws, "kws8h", bytes), 1.0, 1.05),
}
"""Name -> what runs it, the most points that may be lost, the most of the int8 file that it may take."""


def _trained(path: Path, source: bytes, x: Array, settings: Settings) -> dict[str, bytes]:
    """The plain int8 model; with 8 bits the one by the repairs that measure better, with 4 the one with the training's
    recipe but no training; and the trained one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "x.npy", x)
        done = finetune(path, folder / "x.npy", folder / "out", settings=settings, progress=_progress)
        made = (done.folder / "model.tflite").read_bytes()
        recipe = Recipe.from_json(done.summary["recipe"])
    samples = as_samples(x[:300])
    if recipe.plain:
        repaired, _ = choose(source, samples, recipe, progress=_progress)
        other = {"repaired": quantize(source, samples, repaired)}
    else:
        other = {"untrained": quantize(source, samples, recipe)}
    return {"int8": quantize(source, samples, Recipe()), **other, "trained": made}


def _judge(source: bytes, model: bytes, x: Array, y: Array) -> Judged:
    wanted, got = (Runner(each).answers(as_samples(x)) for each in (source, model))
    right, float_right = (np.asarray(each.argmax(axis=1) == y, np.float64) for each in (got, wanted))
    return Judged(right, float_right, sqnr_db(wanted, got))


def _line(case: str, model: str, title: str, judged: Sequence[Judged], share: float) -> Line:
    right, float_right = (
        _together(rows, title) for rows in ([j.right for j in judged], [j.float_right for j in judged])
    )
    lost, low, high = paired_difference(float_right, right, confidence=0.95, resamples=10_000, seed=0)
    sqnr = float(np.mean([each.sqnr_db for each in judged]))
    accuracies = float(float_right.mean()) * 100, float(right.mean()) * 100
    return Line(case, model, title, len(right), *accuracies, lost * 100, low * 100, high * 100, sqnr, share)


def _together(rows: list[Array], title: str) -> Array:
    """Folds that judge the same pictures are no new samples: of each picture the mean counts."""
    return np.asarray(np.mean(rows, axis=0)) if title == "raw" else np.concatenate(rows)


def _text(line: Line) -> str:
    return (
        f"{line.case} {line.model:9} on {line.samples} {line.judged}: {line.accuracy:.1f} of {line.float_accuracy:.1f} "
        f"%, {line.lost:+.2f} points lost (95 %: {line.low:+.2f} .. {line.high:+.2f}), {line.sqnr_db:.1f} dB, "
        f"{line.size_share:.1%} of the int8 file"
    )


def _progress(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
