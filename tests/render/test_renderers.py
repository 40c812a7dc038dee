"""Every renderer: says how each figure was obtained, escapes what a run says, and writes whole files."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from edgeq.errors import UsageError
from edgeq.render import RENDERERS, render, render_json, render_text, write_report
from edgeq.render.markdown import escape
from edgeq.report import EMULATED, Report, report
from edgeq.run import Issue, Series, read_run

CASES = Path(__file__).resolve().parents[1] / "cases" / "runs"
PI_5 = CASES.parent / "reports" / "pi5-sustained.json"
PI, LOCAL, METERED = (CASES / f"{name}.json" for name in ("rpi4-emulated", "local-measured", "board-metered"))
HOSTILE = "<script>alert('x')</script>\x1b[31m\"|`*_[a](javascript:b)@team #1 &amp; ![i](http://e/x.png)"
VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """What a page has: balanced tags, ids, references, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += data + " "


@pytest.fixture(scope="module")
def three() -> Report:
    return report([PI, LOCAL, METERED])


@pytest.fixture
def hostile(tmp_path: Path) -> Report:
    run = read_run(LOCAL)
    series = tuple(replace(each, source=HOSTILE) for each in run.series)
    run = replace(
        run,
        created=HOSTILE,
        device={**dict.fromkeys(run.device, HOSTILE), "emulated": False},
        release={
            **dict.fromkeys(run.release, HOSTILE),
            "golden": None,
            "evaluation": {**run.release["evaluation"], "method": HOSTILE, "evaluated_on": HOSTILE},
        },
        environment={"before": {HOSTILE: HOSTILE, "cpu_hz": HOSTILE}, "after": {}},
        issues=(Issue(HOSTILE, "info", HOSTILE, HOSTILE),),
        series=series,
    )
    # Not by `write`: what is no number where one belongs is against the schema, and a reader takes it all the same.
    (tmp_path / "run.json").write_text(json.dumps(run.to_json()), encoding="utf-8")
    return report([tmp_path / "run.json", PI])


@pytest.mark.parametrize("suffix", RENDERERS)
def test_every_format_says_how_and_how_not(three: Report, suffix: str) -> None:
    text = render(three, suffix)
    why = () if suffix == ".csv" else (EMULATED,)
    for word in ("emulated", "measured", "estimated", "evaluated on host", "synthetic-digits on pi", *why):
        assert word.replace("'", "&#x27;") in text or word in text
    assert render(three, suffix) == text
    assert len(text) < 2_000_000


def test_html_is_one_well_formed_accessible_page(three: Report) -> None:
    page = Page(render(three, ".html"))
    names = [name for name, _ in page.tags]
    assert names.count("h1") == names.count("main") == 1
    assert ("html", {"lang": "en"}) in page.tags
    assert "script" not in names
    assert names.count("figure") == names.count("figcaption")
    across = sum(attributes.get("class") == "across" for _, attributes in page.tags)
    assert names.count("svg") == names.count("figure") + across  # those are drawn twice: for wide and narrow pages
    assert names.count("summary") == names.count("details") > 0
    for name, attributes in page.tags:
        if name == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
        if name == "th":
            assert attributes["scope"] in ("col", "row")
        for key in ("src", "href"):
            assert not re.match(r"(https?:)?//", attributes.get(key) or "")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = {attributes["href"] for name, attributes in page.tags if name == "a"}
    assert links == {"#main", "#side", "#run-1", "#run-2", "#run-3"}
    assert {f"#{name}" for name in ids} >= links


def test_every_emulated_plot_and_figure_is_marked() -> None:
    text = render(report([PI]), ".html")
    latency = [figure for figure in re.findall(r"<figure.*?</figure>", text, re.S) if "Accuracy" not in figure]
    assert len(latency) == 5
    for figure in latency:
        assert '<span class="tag emulated">emulated</span>' in figure
        assert "timing is not the hardware" in figure
    page = Page(text)
    cards = sum(attributes.get("class") == "card" for _, attributes in page.tags)
    tags = sum(str(attributes.get("class")).startswith("tag ") for _, attributes in page.tags)
    assert tags >= cards + len(latency)


def test_every_table_of_figures_says_how_they_were_obtained(three: Report) -> None:
    """In its caption where all were obtained alike, else in each row."""
    text, seen = render(three, ".html"), 0
    for table in re.findall(r"<table.*?</table>", text):
        rows = [row for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", table) if "<strong>" in row]
        caption = table.partition("</caption>")[0]
        seen += len(rows)
        assert 'class="tag ' in caption or all('class="tag ' in row for row in rows)
    assert seen > 30


def test_hostile_words_stay_words_in_html(hostile: Report) -> None:
    text = render(hostile, ".html")
    assert "<script" not in text
    page = Page(text)
    assert "<script>alert('x')</script>" in page.words
    assert all(not key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert not any("javascript" in str(attributes.get("href")) for _, attributes in page.tags)


def test_hostile_words_stay_words_in_markdown(hostile: Report) -> None:
    text = render(hostile, ".md")
    for bad in ("<script", "](", "![", "@team", "#1 ", "\n|`"):
        assert bad not in text
    columns = None
    for line in text.splitlines():
        if line.startswith("|"):
            columns = columns or line.count("|")
            assert line.count("|") == columns
        else:
            columns = None


def test_hostile_words_do_not_steer_the_terminal(hostile: Report) -> None:
    for text in (render(hostile, ".txt"), render_text(hostile)):
        assert "\x1b" not in text
        assert "<script>" in text


def test_markdown_leaves_ordinary_words_alone() -> None:
    assert escape("pi on ssh pi@bench-7, 95 % (-0.6 .. 1.1)") == "pi on ssh pi@bench-7, 95 % (-0.6 .. 1.1)"
    assert escape("a\nb") == "a b"
    assert escape("# x") != "# x"
    assert escape("ssh://x :smile: 1. a").count("&#58;") == 2
    assert escape("other_load in CONV_2D: 1.50 GHz") == "other_load in CONV_2D: 1.50 GHz"
    for word in ("_a_", "a _b c_", "1. a", "__a__"):
        assert escape(word) != word


def test_markdown_of_one_run_and_of_many(three: Report) -> None:
    one = render(report([LOCAL]), ".md")
    assert one.startswith("## synthetic-digits on local\n\n✅ **Valid.** Golden vectors match")
    assert "<details>" not in one
    many = render(three, ".md")
    assert many.count("<details>") == many.count("</details>") == 3
    assert "⚠️ **Degraded: figures may mislead.**" in many
    assert "| p50 | 1.46 ms *emulated* | 97.9 us *measured* | 2.22 ms *measured* |" in many


def test_json_has_how_beside_each_figure(three: Report) -> None:
    data: dict[str, Any] = json.loads(render(three, ".json"))
    assert (data["schema"], data["kind"], len(data["runs"])) == (1, "edgeq-report", 3)
    assert data == json.loads(json.dumps(render_json(three)))

    def figures(value: Any) -> list[dict[str, Any]]:
        if isinstance(value, dict):
            found = [value] if "value" in value else []
            return found + [item for child in value.values() for item in figures(child)]
        return [item for child in value for item in figures(child)] if isinstance(value, list) else []

    assert any(item.get("low") == 0 for item in figures(render_json(report([PI_5]))))
    every = figures(data)
    assert len(every) > 60
    assert all(item["how"] in ("measured", "emulated", "estimated") and item["unit"] for item in every)
    assert all("error_pct" in item for item in every if item["how"] == "estimated")


def test_text_is_as_wide_as_it_is_told(three: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    text = render_text(three)
    assert max(map(len, text.splitlines())) <= 60
    assert "\x1b" not in text


def test_more_than_a_few_runs_are_a_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [PI, LOCAL, METERED, tmp_path / "float.json"]
    run = read_run(LOCAL)
    replace(run, release={**run.release, "mode": "float32", "model_bytes": 70_000}).write(paths[-1])
    monkeypatch.setenv("COLUMNS", "80")
    text = render_text(report(paths), summary=True)
    assert max(map(len, text.splitlines())) <= 80
    (line,) = (each.split() for each in text.splitlines() if "68.4 KiB" in each)
    assert (line[0], line[-1]) == ("local", "no")
    page = render(report(paths), ".html")
    assert page.count("<figcaption>Does it fit") == 1
    assert "synthetic-digits on local as float32" in page


def test_colours_only_on_a_terminal_without_no_color(three: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in render_text(three)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in render_text(three)


def test_runs_without_figures_render_everywhere(tmp_path: Path) -> None:
    run = replace(read_run(LOCAL), series=(), release={}, device={}, environment={}, verdict="invalid")
    run.write(tmp_path / "empty.json")
    zero = replace(
        read_run(PI), series=(Series("invoke", "ns", "emulated", (0.0,)), Series("warmup", "ns", "emulated", (0.0,)))
    )
    zero.write(tmp_path / "zero.json")
    for suffix in RENDERERS:
        for paths in (["empty.json"], ["zero.json"], ["empty.json", "zero.json"]):
            assert render(report([tmp_path / name for name in paths]), suffix)


def test_ten_thousand_samples_stay_small(tmp_path: Path) -> None:
    run = read_run(LOCAL)
    values = tuple(1e6 + index * 7919 % 10007 for index in range(10_000))
    power = Series("power", "mw", "measured", values, t_s=tuple(index * 0.001 for index in range(10_000)))
    run = replace(run, series=(Series("invoke", "ns", "measured", values), power))
    run.write(tmp_path / "run.json")
    assert len(render(report([tmp_path / "run.json"]), ".html")) < 200_000


def test_ten_thousand_samples_with_everything_beside_them_stay_under_the_limit(tmp_path: Path) -> None:
    run = read_run(CASES.parent / "reports" / "pi5-sustained.json")
    t = tuple(index * 0.03 for index in range(10_000))
    values = tuple(2e6 + index * 7919 % 100_003 for index in range(10_000))
    traces = [replace(series, values=values, t_s=t) for series in run.series if series.t_s]
    rest = [series for series in run.series if not series.t_s]
    replace(run, series=(*traces, *rest)).write(tmp_path / "run.json")
    assert len(render(report([tmp_path / "run.json"]), ".html")) < 500_000


def test_files_are_written_whole_by_suffix(three: Report, tmp_path: Path) -> None:
    for suffix in (*RENDERERS, ".HTML"):
        write_report(three, tmp_path / "new" / f"report{suffix}")
        assert (tmp_path / "new" / f"report{suffix}").read_text(encoding="utf-8") == render(three, suffix)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(("name", "near"), [("report.htm", "'.html'"), ("report.jsn", "'.json'"), ("report", ".md")])
def test_unknown_formats_get_near_names(three: Report, tmp_path: Path, name: str, near: str) -> None:
    with pytest.raises(UsageError, match="no report format") as caught:
        write_report(three, tmp_path / name)
    assert near in caught.value.hint


def test_an_unwritable_place_is_named(three: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot be written to .*report\.md"):
        write_report(three, tmp_path / "file" / "report.md")


def test_a_summary_is_the_first_page_and_one_run_is_told_whole(three: Report) -> None:
    summary, whole = render_text(three, summary=True), render_text(three)
    assert whole.startswith(summary.rstrip("\n"))
    assert len(summary.splitlines()) < len(whole.splitlines()) / 2
    alone = report([PI])
    assert render_text(alone, summary=True) == render_text(alone)


@pytest.mark.parametrize("name", RENDERERS)
def test_every_renderer_tells_instructions(name: str, tmp_path: Path) -> None:
    run = read_run(PI)
    counted = Series("instructions", "instructions", "emulated", (4_564_148.0,) * 3)
    replace(run, series=(counted,)).write(tmp_path / "run.json")
    assert re.search("4,?564,?148", render(report([tmp_path / "run.json"]), name))
