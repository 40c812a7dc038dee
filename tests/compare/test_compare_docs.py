"""docs/compare.md is made from the registry, and its policy is one."""

from __future__ import annotations

import re
from pathlib import Path

from edgeq.compare.metrics import METRICS
from edgeq.compare.objections import CHECKS
from edgeq.compare.policy import ANSWERS, UNITS, parse_policy

DOC = Path(__file__).resolve().parents[2] / "docs" / "compare.md"
KINDS = {
    "quantile": "raw samples, block bootstrap",
    "value": "as it is, the worst run of a side",
    "energy": "the meter's stated uncertainty",
    "accuracy": "as it is, on the same samples",
}


def objections_table() -> str:
    rows = [
        f"| `{check.code}`{'' if check.waivable else ' †'} | {check.severity} | {check.about} | {check.when} |"
        for check in CHECKS
    ]
    return "\n".join(["| code | severity | about | when |", "|---|---|---|---|", *rows])


def metrics_table() -> str:
    kinds: dict[tuple[str, str], list[str]] = {}
    for metric in METRICS.values():
        kinds.setdefault((metric.unit, metric.kind), []).append(f"`{metric.name}`")
    rows = [
        f"| {', '.join(names)} | {', '.join(('%', *UNITS[unit]))} | {KINDS[kind]} |"
        for (unit, kind), names in kinds.items()
    ]
    return "\n".join(["| metrics | units | compared by |", "|---|---|---|", *rows])


def between(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n(.*?)\n<!-- end of {mark} -->", DOC.read_text(encoding="utf-8"), re.DOTALL)
    assert found, mark
    return found[1]


def test_the_tables_are_the_registry_s() -> None:
    assert between("objections") == objections_table()
    assert between("metrics") == metrics_table()


def test_the_policy_of_the_page_is_a_policy() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    policy = parse_policy(block, "docs/compare.md")
    assert len(policy.rules) > 2 and policy.waivers
    assert all(answer in block for answer in ANSWERS)
