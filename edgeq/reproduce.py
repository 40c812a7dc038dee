"""`edgeq reproduce`: build a bundle once more from its inputs, and prove that it is the same or say what differs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from edgeq.asked import Asked
from edgeq.build import build
from edgeq.building.materials import Declared
from edgeq.bundle import MANIFEST, MODEL, Bundle
from edgeq.dataset import Dataset, open_dataset
from edgeq.dataset.columns import read_columns
from edgeq.dataset.usercode import PATTERN
from edgeq.errors import ArtifactError, UsageError
from edgeq.model.describe import read_labels
from edgeq.model.metadata import bare
from edgeq.model.names import input_names
from edgeq.passport.bundled import passport_of
from edgeq.passport.document import MEMBER, places_sha256
from edgeq.passport.embed import extract
from edgeq.passport.origin import Specs, columns_sha256, json_sha256, labels_sha256, model_sha256, target_sha256
from edgeq.passport.versions import other_versions, versions
from edgeq.plan import policy_of
from edgeq.preprocess import PreprocessError, parse
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.recipe_file import read_recipe
from edgeq.target import TargetProfile, load_target
from edgeq.waiver import read_waivers

Progress = Callable[[str], None]
_METADATA = "metadata"
_ORDER = (MEMBER, "interface.json", MODEL, "golden.cbor")
"""Members that explain a difference come first; then all others; the manifest last, for it differs with any."""
_FOLLOWING = ((MEMBER, "versions."), (MODEL, _METADATA), (MANIFEST, "files."), (MANIFEST, "passport_sha256"))
_LENGTH = 60


@dataclass(frozen=True)
class Difference:
    """What is not as it was: `where` is an input ("the model"), or a member with the field; both sides as text."""

    where: str
    then: str
    now: str


@dataclass(frozen=True)
class Reproduced:
    """`digest` is the bundle's, `now` that of the one that was built now, empty where the inputs differ already.
    `difference` is the first one, None where there is none; `versions` are the tools that differ, (then, now)."""

    digest: str
    now: str
    difference: Difference | None
    versions: Mapping[str, tuple[str, str]]

    @property
    def same(self) -> bool:
        """Whether it is proven."""
        return self.digest == self.now


@dataclass(frozen=True)
class Inputs:
    """Where the inputs lie now; None for those that the build did not have."""

    model: Path
    data: str | None
    eval: str | None
    labels: Path | None
    recipe: Path | None


def reproduce(
    bundle: Bundle,
    root: Path,
    *,
    model: Path | None = None,
    data: str | None = None,
    eval_data: str | None = None,
    labels: Path | None = None,
    recipe: Path | None = None,
    functions: Collection[str] = (),
    progress: Progress = lambda _: None,
) -> Reproduced:
    """Check the digest of every input, then build again and compare byte for byte.

    Inputs that are not given are those that the passport names, as seen from `root`. The passport holds the recipe;
    where its file is there or given it must say the same. Data or a metric that is `module:function` is somebody's
    code: only what is given, or among `functions`, is run. `UsageError` where an input cannot be found.
    """
    passport = passport_of(bundle)
    lineage = passport["lineage"]
    known = {each: each for each in functions}
    data, eval_data = data or known.get(lineage["data"]), eval_data or known.get(lineage["eval"])
    _require_known(Asked.from_json(passport["build"]["evaluation"]).metric, functions)
    inputs = _inputs(lineage, root, model, data, eval_data, labels, recipe)
    target = load_target(bundle.target)
    took_part = {
        "converted": "tensorflow" in passport["versions"],
        "quantized": "litert-quantizer" in passport["versions"],
    }
    found = other_versions(passport["versions"], versions(**took_part))
    progress("checking the digest of every input")
    different = next(_changed(passport, inputs, target, root, progress), None)
    if different:
        return Reproduced(bundle.digest, "", different, found)
    with tempfile.TemporaryDirectory(prefix="edgeq-reproduce-") as folder:
        again = _build(bundle, inputs, target, root, Path(folder), progress)
        if again.digest == bundle.digest:
            return Reproduced(bundle.digest, again.digest, None, found)
        return Reproduced(bundle.digest, again.digest, first_difference(bundle, again), found)


def _require_known(metric: str, functions: Collection[str]) -> None:
    """`UsageError` for a metric that is somebody's code and nobody has said may run."""
    if PATTERN.fullmatch(metric) and metric not in functions:
        raise UsageError(
            f"The metric of the bundle is the function '{metric}', and to reproduce it is to run its code.",
            f'Look at it, then write metric = "{metric}" below [evaluation] in edgeq.toml.',
        )


def _inputs(
    lineage: Mapping[str, Any],
    root: Path,
    model: Path | None,
    data: str | None,
    eval_data: str | None,
    labels: Path | None,
    recipe: Path | None,
) -> Inputs:
    found = _found(root, "model", lineage["source"]["spec"], model)
    assert found is not None
    named = _found(root, "labels", lineage["labels"], labels)
    return Inputs(
        Path(found),
        _found(root, "data", lineage["data"], data),
        _found(root, "eval", lineage["eval"], eval_data),
        Path(named) if named else None,
        recipe or _there(root, lineage["recipe"]),
    )


def _there(root: Path, spec: str | None) -> Path | None:
    return root / spec if spec and _is_below(spec) and (root / spec).is_file() else None


def _is_below(spec: str) -> bool:
    """What edgeq writes never leaves the project's folder; what somebody else wrote might."""
    path = PurePosixPath(spec)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in spec and not PureWindowsPath(spec).drive


def _found(root: Path, what: str, spec: str | None, given: str | Path | None) -> str | None:
    """Where one input lies: what was given, or what the passport names."""
    if spec is None:
        if given is not None:
            raise UsageError(f"The bundle was built without --{what}.", f"Leave --{what} out.")
        return None
    if given is not None:
        return str(given)
    path = root / spec
    if PATTERN.fullmatch(spec) and not path.exists():
        raise UsageError(
            f"The data of the bundle is the function '{spec}', and to reproduce it is to run its code.",
            f"Look at it, then say so: --{what} {spec}",
        )
    if not _is_below(spec) or not path.exists():
        raise UsageError(f"The bundle was built from '{spec}', which is not in '{root}'.", f"Say where: --{what} PATH")
    return str(path)


def _changed(
    passport: Mapping[str, Any],
    inputs: Inputs,
    target: TargetProfile,
    root: Path,
    progress: Progress,
) -> Iterator[Difference]:
    """Every input that is not what it was."""
    lineage, build_part, told = passport["lineage"], passport["build"], passport["recipe"]
    sha256 = lineage["source"]["sha256"]
    yield from _compared(f"the model '{inputs.model}'", sha256, model_sha256(inputs.model))
    if told:
        yield from _compared("the recipe in the passport", told["sha256"], json_sha256(told["told"]))
    if inputs.recipe and told:
        yield from _compared(f"the recipe '{inputs.recipe}'", told["sha256"], read_recipe(inputs.recipe).sha256)
    yield from _compared(f"the profile of {target.name}", build_part["target_sha256"], target_sha256(target))
    labels, names = build_part["labels"], read_labels(inputs.labels)
    if labels and inputs.labels:
        yield from _compared(f"the labels '{inputs.labels}'", labels["sha256"], labels_sha256(names))
    opened = partial(open_dataset, inputs=input_names(inputs.model), folder=root, progress=progress)
    calibration, evaluation = passport["calibration"], passport["evaluation"]
    classes = names or tuple((labels or {}).get("names") or ())
    if inputs.data and calibration:
        data = opened(inputs.data)
        classes = classes or data.classes
        yield from _changed_data(calibration, data, build_part["samples"], progress)
    if inputs.eval and evaluation:
        columns = Asked.from_json(build_part["evaluation"]).columns
        labelled = opened(inputs.eval, classes=classes, columns=columns)
        digest = labelled.digest(progress=progress)
        yield from _compared(f"the labelled data '{inputs.eval}'", evaluation.get("data_sha256"), digest)
        beside = columns_sha256(read_columns(labelled, columns))
        yield from _compared(f"what stands beside '{inputs.eval}'", build_part["columns_sha256"], beside)


def _changed_data(
    calibration: Mapping[str, Any], data: Dataset, samples: int | None, progress: Progress
) -> Iterator[Difference]:
    places = data.choose(samples)
    yield from _compared(f"the number of samples in '{data.spec}'", calibration["of"], len(data))
    yield from _compared(
        f"which samples of '{data.spec}' are chosen", calibration["places_sha256"], places_sha256(places)
    )
    yield from _compared(f"the data '{data.spec}'", calibration["data_sha256"], data.digest(places, progress))


def _compared(where: str, then: object, now: object) -> Iterator[Difference]:
    if then != now:
        yield Difference(where, str(then), str(now))


def _build(bundle: Bundle, inputs: Inputs, target: TargetProfile, root: Path, out: Path, progress: Progress) -> Bundle:
    passport = passport_of(bundle)
    choices, lineage, told = passport["build"], passport["lineage"], passport["recipe"]
    names = (choices["labels"] or {}).get("names")
    try:
        preprocess = parse(choices["preprocess"]) if choices["preprocess"] else None
    except PreprocessError as error:
        raise ArtifactError(f"The passport's preprocessing is damaged: {error.message}", error.hint) from error
    declared = Declared(
        labels=inputs.labels or names,
        preprocess=preprocess,
        threshold=choices["threshold"],
        smoothing=choices["smoothing"],
        evaluation=Asked.from_json(choices["evaluation"]),
        waivers=read_waivers(choices["waivers"]),
        about=passport["about"],
        confirm=policy_of(bundle.manifest),
        security_version=int(bundle.manifest.get("security_version", 0)),
    )
    (built,) = build(
        inputs.model,
        [target],
        inputs.data,
        eval_data=inputs.eval,
        declared=declared,
        recipe=Recipe.from_json(told["told"]) if told else None,
        samples=choices["samples"],
        folder=root,
        out=out,
        name=passport["name"],
        specs=Specs(lineage["source"]["spec"], *(lineage[key] for key in ("data", "eval", "labels", "recipe"))),
        progress=progress,
    )
    return built.bundle


def first_difference(then: Bundle, now: Bundle) -> Difference:
    """The first member of two bundles that differs, and the first field of it. Versions of tools come last: they change
    the passport even where they change nothing else."""
    later: Difference | None = None
    for name in _members(then, now):
        before, after = (bundle.path(name) for bundle in (then, now))
        if not (before.is_file() and after.is_file()):
            return Difference(name, *("there" if path.is_file() else "not there" for path in (before, after)))
        one, other = before.read_bytes(), after.read_bytes()
        if one == other:
            continue
        fields = list(_fields(name, one, other))
        telling = [field for field in fields if not _follows(field)]
        if telling:
            return telling[0]
        later = later or next(iter(fields), None)
    assert later is not None
    return later


def _members(then: Bundle, now: Bundle) -> list[str]:
    names = {*then.files, *now.files}
    return [*(name for name in _ORDER if name in names), *sorted(names - {*_ORDER}), MANIFEST]


def _follows(found: Difference) -> bool:
    """Whether it says no more than that something else differs: versions, digests, a passport inside the model."""
    member, _, field = found.where.partition(": ")
    return any(member == name and field.startswith(begin) for name, begin in _FOLLOWING)


def _fields(name: str, one: bytes, other: bytes) -> Iterator[Difference]:
    if name.endswith(".json"):
        for field, before, after in _walk(json.loads(one), json.loads(other)):
            yield Difference(f"{name}: {field}", _short(before), _short(after))
        return
    if name == MODEL:
        one, other = (_own_bytes(each) for each in (one, other))
        if one == other:
            yield Difference(f"{name}: {_METADATA}", "its metadata", "other metadata")
            return
    place = next(index for index, (a, b) in enumerate(zip_longest(one, other)) if a != b)
    yield Difference(
        f"{name}: byte {place:,}", _short(one[place : place + 8].hex()), _short(other[place : place + 8].hex())
    )


def _own_bytes(model: bytes) -> bytes:
    """The model without the metadata around it; all of it where it says nothing about itself."""
    told = extract(model, MODEL)
    return bare(model)[-told["model"]["size_bytes"] :] if told else model


def _walk(one: Any, other: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every leaf in which two documents differ, in the order of the file."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _walk(one.get(key), other.get(key), f"{where}.{key}" if where else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, pair in enumerate(zip(one, other, strict=True)):
            yield from _walk(*pair, f"{where}[{place}]")
    elif one != other or type(one) is not type(other):
        yield where, one, other


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 3]}..."
