from __future__ import annotations

from typing import Any

from edgeq.passport.card import card

HEADINGS = (
    *("Model Details", "Intended Use", "Factors", "Metrics", "Evaluation Data", "Training Data"),
    *("Quantitative Analyses", "Ethical Considerations", "Caveats and Recommendations"),
)


def section(text: str, heading: str) -> str:
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def test_it_has_the_headings_of_model_cards_in_their_order(document: dict[str, Any]) -> None:
    lines = card(document).splitlines()
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == list(HEADINGS)
    assert [line for line in lines if line.startswith("# ")] == ["# tiny"]


def test_what_is_known_is_told_and_what_is_not_is_said(document: dict[str, Any]) -> None:
    text = card(document)
    assert document["lineage"]["source"]["sha256"] in section(text, "Model Details")
    assert "Tells \\<shapes\\> apart." in section(text, "Intended Use")
    assert "does not say ([passport] in edgeq.toml, key `out_of_scope`)" in section(text, "Intended Use")
    assert "30 of the 40 samples of `data.npz`" in section(text, "Training Data")
    assert "Waived by Ada: measured on the board" in section(text, "Caveats and Recommendations")


def test_every_figure_says_how_it_was_obtained(document: dict[str, Any]) -> None:
    lines = section(card(document), "Quantitative Analyses").splitlines()
    rows = [line for line in lines if line.startswith("| accuracy, ")]
    assert len(rows) == 3
    assert all("measured on the host" in row for row in rows)
    assert "paired bootstrap" in rows[2]


def test_slices_have_a_table_of_their_own(document: dict[str, Any]) -> None:
    text = section(card(document), "Quantitative Analyses")
    assert "Slices, measured on the host; 95 % interval by paired bootstrap" in text
    row = next(line for line in text.splitlines() if line.startswith("| label 'circle' |"))
    assert row.startswith("| label 'circle' | 7 | accuracy | ")
    assert row.count("|") == 8


def test_tables_hold_whatever_a_text_holds(document: dict[str, Any]) -> None:
    about = {"owner": "a | b\n| c <script>"}
    text = section(card({**document, "about": about}), "Model Details")
    assert "| Owner | a \\| b \\| c \\<script\\> |" in text
    assert {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")} == {3}


def test_without_data_it_says_so(document: dict[str, Any]) -> None:
    text = card({**document, "evaluation": None, "calibration": None, "recipe": None, "findings": []})
    assert "Nothing was measured" in section(text, "Metrics")
    assert "None" in section(text, "Quantitative Analyses")
    assert "found nothing to look at" in section(text, "Caveats and Recommendations")


def test_classes_that_are_numbers_are_in_the_order_of_numbers(document: dict[str, Any]) -> None:
    classes = {str(number): number for number in sorted(range(12), key=str)}
    told = card({**document, "calibration": {**document["calibration"], "classes": classes}})
    assert "Samples of each class: 0 0, 1 1, 2 2, 3 3" in told and "9 9, 10 10, 11 11." in told
