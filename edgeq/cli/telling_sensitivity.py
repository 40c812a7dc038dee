"""What an analysis of sensitivity looks like: a table, advice, and a picture."""

from __future__ import annotations

from typing import Any

from edgeq.host.console import table
from edgeq.render.svg import Item, bars, standalone

SHOWN = 20
NOTABLE_DB = 1.0
"""What a layer must win at the model's answers before it is worth a line."""
APART_DB = 10.0
"""Where the whole is worse than the worst layer by so much, the loss is not in the layers."""
CUT = 0.001
"""From this share of values on a tensor's range is too narrow."""


def tell_sensitivity(found: dict[str, Any]) -> str:
    """The layers, the tensors that are cut off, where runtimes part, and what it comes to."""
    whole = found["sqnr_db"]
    rows = [
        (
            layer["name"],
            layer["operator"],
            f"{layer['weights']:,}",
            f"{layer['alone_db']:.1f}",
            "" if layer["int16_db"] is None else f"{layer['int16_db'] - whole:+.1f}",
            f"{layer['float_db'] - whole:+.1f}",
        )
        for layer in found["layers"][:SHOWN]
    ]
    head = ("layer", "operator", "weights", "alone dB", "int16 buys", "float buys")
    told = [
        f"{found['recipe']['mode']}: {whole:.1f} dB at the answers before a softmax, on {found['samples']} samples "
        "(measured on this machine). The layers that lose most first:",
        "",
        table(head, rows),
    ]
    more = len(found["layers"]) - len(rows)
    told += [f"... and {more} more; --json has them all."] if more > 0 else []
    told += ["", *_advice(found)]
    return "\n".join(told)


def _advice(found: dict[str, Any]) -> list[str]:
    whole, lines = found["sqnr_db"], []
    best = max(found["layers"], key=lambda layer: layer["int16_db"] or -200, default=None)
    if best and best["int16_db"] is not None and best["int16_db"] - whole >= NOTABLE_DB:
        gain = best["int16_db"] - whole
        lines.append(f"16-bit activations in '{best['name']}' alone would buy {gain:.1f} dB; in a recipe:")
        lines += ["  [[override]]", '  mode = "static_wi8_ai16"', f"  tensor = '{best['pattern']}'"]
    else:
        lines.append(f"No single layer would buy {NOTABLE_DB:g} dB with 16-bit activations: {_where(found)}")
    cut = [tensor for tensor in found["tensors"] if tensor["saturated"] > CUT]
    if cut:
        worst = max(cut, key=lambda tensor: tensor["saturated"])
        lines.append(
            f"{len(cut)} of {len(found['tensors'])} tensors {'is' if len(cut) == 1 else 'are'} cut off at the end of "
            f"their range in more than {CUT:.1%} of their values, "
            f"'{worst['name']}' most ({worst['saturated']:.1%}): more or other calibration samples may widen it."
        )
    parted = found["divergence"]
    pair = f"LiteRT's {parted['first']} and {parted['second']} kernels"
    if parted["operator"]:
        lines.append(
            f"{pair} first differ at {parted['operator']} '{parted['tensor']}', by {parted['steps']} steps at most; at "
            f"the answers by {parted['answer_steps']}."
        )
    else:
        lines.append(f"{pair} give the same bytes.")
    return lines


def _where(found: dict[str, Any]) -> str:
    """What it is that no layer alone is to blame for."""
    least = min((layer["alone_db"] for layer in found["layers"]), default=found["sqnr_db"])
    if least - found["sqnr_db"] < APART_DB:
        return "the loss is spread evenly."
    before = (least, *(each["sqnr_db"] for each in found["tensors"]))
    falls = [(level - each["sqnr_db"], each) for level, each in zip(before, found["tensors"], strict=False)]
    most = max(falls, key=lambda pair: pair[0], default=None)
    seen = f"; most at '{most[1]['name']}', which has {most[1]['sqnr_db']:.1f} dB" if most and most[0] > 0 else ""
    return (
        f"alone each has {least:.1f} dB or more, so it is the input, or an operator that is no layer, that loses{seen}."
    )


def picture(found: dict[str, Any]) -> str:
    """A standalone SVG: what each layer adds to the noise if it alone is quantized, the worst first."""
    items = [
        Item(
            f"{layer['name']} ({layer['operator']})",
            10 ** (-layer["alone_db"] / 20) * 100,
            f"{layer['alone_db']:.1f} dB",
            "measured",
        )
        for layer in found["layers"][:SHOWN]
    ]
    return standalone(bars(items, "Noise at the answers if one layer alone is quantized, in % of the signal", "%"))
