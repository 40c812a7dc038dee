"""A passport as a model card in Markdown, under the headings of Mitchell et al. 2019, Model Cards for Model Reporting.

What nobody said is told as unsaid: a card that is silent about it would read as if there were nothing to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgeq.passport.measured import Figure, figures

UNSAID = "The project does not say ([passport] in edgeq.toml, key `{key}`)."
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def card(passport: Mapping[str, Any]) -> str:
    """The whole card; the same text for the same passport."""
    measured = figures(passport["evaluation"])
    sections = (
        (f"# {_plain(passport['name'])}", _lead(passport)),
        ("## Model Details", _details(passport)),
        ("## Intended Use", _use(passport["about"])),
        ("## Factors", _factors(passport, measured)),
        ("## Metrics", _metrics(passport, measured)),
        ("## Evaluation Data", _evaluation_data(passport)),
        ("## Training Data", _training_data(passport)),
        ("## Quantitative Analyses", _analyses(measured)),
        ("## Ethical Considerations", [_said(passport["about"], "ethics")]),
        ("## Caveats and Recommendations", _caveats(passport)),
    )
    return "\n\n".join("\n\n".join([head, *(part for part in body if part)]) for head, body in sections) + "\n"


def _lead(passport: Mapping[str, Any]) -> list[str]:
    model = passport["model"]
    return [
        f"A model for {_plain(passport['target'])} in the mode `{_code(passport['mode'])}`, "
        f"{model['size_bytes']:,} bytes, {model['macs']:,} multiply-accumulates per inference "
        "(size read from the file, multiply-accumulates counted from its operators)."
    ]


def _details(passport: Mapping[str, Any]) -> list[str]:
    about, model, lineage = passport["about"], passport["model"], passport["lineage"]
    source, recipe = lineage["source"], passport["recipe"]
    rows = [
        *((key.capitalize(), _plain(about[key])) for key in ("owner", "contact", "license", "date") if key in about),
        *((key.capitalize(), _plain(about[key])) for key in ("task", "architecture") if key in about),
        ("Inputs", "; ".join(_tensor(each) for each in model["inputs"])),
        ("Outputs", "; ".join(_tensor(each) for each in model["outputs"])),
        ("Operators", ", ".join(f"{_plain(name)} ({count})" for name, count in sorted(model["ops"].items()))),
        ("Made from", f"`{_code(source['spec'])}` ({_plain(source['kind'])}), sha256 `{_code(source['sha256'])}`"),
        ("Float .tflite", _digest(lineage["float_sha256"], "none: the model came quantized")),
        ("This model", f"sha256 `{_code(model['sha256'])}`, before metadata"),
        ("Recipe", _recipe(recipe, lineage["recipe"]) if recipe else "it came quantized"),
        ("Preprocessing", _digest(lineage["preprocess_sha256"], "none: the application gives the model's input")),
        ("Tools", ", ".join(f"{_plain(name)} {_plain(version or 'none')}" for name, version in _sorted(passport))),
    ]
    return [_table(("what", "value"), rows)]


def _sorted(passport: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    return sorted(passport["versions"].items())


def _tensor(tensor: Mapping[str, Any]) -> str:
    return f"{_plain(tensor['name'])}: {_plain(tensor['dtype'])} {_plain(str(list(tensor['shape'])))}"


def _recipe(recipe: Mapping[str, Any], spec: str | None) -> str:
    parts = {key: value for key, value in recipe["told"].items() if key != "trained"}
    told = ", ".join(f"{_plain(str(key))} {_plain(str(value))}" for key, value in sorted(parts.items()))
    told += ", with the ranges and weights of a training" if "trained" in recipe["told"] else ""
    origin = f", read from `{_code(spec)}`" if spec else ""
    return f"{told}{origin}; sha256 `{_code(recipe['sha256'])}`"


def _digest(sha256: str | None, absent: str) -> str:
    return f"sha256 `{_code(sha256)}`" if sha256 else absent


def _use(about: Mapping[str, str]) -> list[str]:
    return [
        f"**Intended:** {_said(about, 'intended_use')}",
        f"**Out of scope:** {_said(about, 'out_of_scope')}",
    ]


def _factors(passport: Mapping[str, Any], measured: Sequence[Figure]) -> list[str]:
    slices = list(dict.fromkeys(figure.slice for figure in measured if figure.slice))
    told = f"Evaluated apart: {', '.join(map(_plain, slices))}." if slices else "No slice was evaluated apart."
    return [_said(passport["about"], "factors"), told]


def _metrics(passport: Mapping[str, Any], measured: Sequence[Figure]) -> list[str]:
    if not measured:
        return ["Nothing was measured: the bundle was built without labelled data."]
    threshold, smoothing = passport["build"]["threshold"], passport["build"]["smoothing"]
    decided = "the highest output decides" if threshold is None else f"an output counts from {threshold:g} on"
    averaged = f", averaged over {smoothing} outputs" if smoothing > 1 else ""
    names = dict.fromkeys(figure.name for figure in measured if not figure.slice)
    lines = [f"- {_plain(name)}" for name in names]
    return ["\n".join(lines), f"In the application {decided}{averaged}; the figures here are of single samples."]


def _evaluation_data(passport: Mapping[str, Any]) -> list[str]:
    found, spec = passport["evaluation"], passport["lineage"]["eval"]
    if not found:
        return ["None: the bundle was built without labelled data."]
    rows = [
        ("Data", f"`{_code(spec)}`" if spec else "not named"),
        ("Samples", _plain(str(found.get("samples", "?")))),
        ("Content", _digest(_text(found.get("data_sha256")), "no digest")),
    ]
    return [_table(("what", "value"), rows), _said(passport["about"], "evaluation_data")]


def _training_data(passport: Mapping[str, Any]) -> list[str]:
    found, spec = passport["calibration"], passport["lineage"]["data"]
    trained = f"**Training:** {_said(passport['about'], 'training_data')}"
    if not found:
        return [trained, "**Calibration:** none was needed, or it was done elsewhere."]
    told = (
        f"**Calibration:** {found['samples']:,} of the {found['of']:,} samples of `{_code(spec or '?')}`, chosen by "
        f"seed {passport['build']['seed']}; sha256 of their content `{_code(found['data_sha256'])}`. In real values, "
        "before quantization (computed from these samples):"
    )
    rows = [
        (_plain(name), *(f"{each[key]:g}" for key in ("min", "max", "mean", "std")))
        for name, each in sorted(found["inputs"].items())
    ]
    classes = found["classes"]
    counted = ", ".join(f"{_plain(name)} {count}" for name, count in _numbered(classes)) if classes else ""
    return [
        trained,
        told,
        _table(("input", "least", "greatest", "mean", "standard deviation"), rows),
        f"Samples of each class: {counted}." if counted else "",
    ]


def _analyses(measured: Sequence[Figure]) -> list[str]:
    if not measured:
        return ["None."]
    rows = [
        (
            _plain(figure.name),
            f"{figure.value:.4g}",
            _ends(figure),
            f"{figure.samples:,}" if figure.samples else "",
            _plain(figure.how),
        )
        for figure in measured
        if not figure.slice
    ]
    head = ("figure", "value", "interval", "samples", "how it was obtained")
    return [_table(head, rows), *_slices([figure for figure in measured if figure.slice])]


def _slices(measured: Sequence[Figure]) -> list[str]:
    """One row for each slice and metric; they were all obtained in the same way."""
    if not measured:
        return []
    rows: dict[tuple[str, str], dict[str, Figure]] = {}
    for figure in measured:
        rows.setdefault((figure.slice, figure.metric), {})[figure.part] = figure
    head = ("slice", "samples", "metric", "float", "quantized", "lost", "interval")
    lines = [
        (
            _plain(slice_name),
            f"{next(iter(parts.values())).samples:,}",
            _plain(metric),
            *(f"{parts[part].value:.4g}" if part in parts else "" for part in ("float", "quantized", "lost")),
            _ends(parts["lost"]) if "lost" in parts else "",
        )
        for (slice_name, metric), parts in rows.items()
    ]
    ways = dict.fromkeys(figure.how for figure in measured)
    return [f"Slices, {'; '.join(_plain(way) for way in list(ways)[-1:])}:", _table(head, lines)]


def _ends(figure: Figure) -> str:
    return f"{figure.low:.4g} to {figure.high:.4g}" if figure.low is not None and figure.high is not None else ""


def _caveats(passport: Mapping[str, Any]) -> list[str]:
    about, found = passport["about"], passport["findings"]
    open_ones = [_finding(each) for each in found if not each["waived"]]
    waived = [
        f"{_finding(each)} Waived by {_plain(each['waived']['by'])}: {_plain(each['waived']['reason'])}"
        for each in found
        if each["waived"]
    ]
    return [
        f"**Limitations:** {_said(about, 'limitations')}",
        f"**Recommendations:** {_said(about, 'recommendations')}",
        _listed("The build found:", open_ones) or "The build found nothing to look at.",
        _listed("Findings that somebody answers for:", waived),
    ]


def _finding(finding: Mapping[str, Any]) -> str:
    return f"{_plain(finding['severity'])} `{_code(finding['code'])}`: {_plain(finding['message'])}"


def _listed(head: str, lines: Iterable[str]) -> str:
    items = [f"- {line}" for line in lines]
    return "\n".join([head, "", *items]) if items else ""


def _said(about: Mapping[str, str], key: str) -> str:
    return _plain(about[key]) if about.get(key) else UNSAID.format(key=key)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """`text` from anybody, as text within a line: nothing in it is Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """`text` from anybody, between backticks."""
    return " ".join(text.replace("`", "'").replace("|", "/").split())


def _numbered(classes: Mapping[str, int]) -> list[tuple[str, int]]:
    """Names that are numbers in the order of numbers; canonical JSON has them in that of texts."""
    if all(name.isdecimal() for name in classes):
        return sorted(classes.items(), key=lambda pair: int(pair[0]))
    return list(classes.items())
