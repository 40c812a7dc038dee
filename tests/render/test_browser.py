"""The HTML report in a real browser: a quiet console, no request to the network, and a picture that shows something.

The page forbids itself every request by its policy, so an attempt would stand on the console; a control page shows
that it does.
"""

from __future__ import annotations

import http.server
import re
import shutil
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq.render import render
from edgeq.report import report

FOLDER = Path(__file__).resolve().parents[1] / "cases"
CASES = sorted((FOLDER / "runs").glob("*.json"))
FULL = [FOLDER / "reports" / "pi5-sustained.json", FOLDER / "reports" / "mcu-emulated.json"]
LOOK = """
const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
const stops = [...document.querySelectorAll("a[href], summary, [tabindex]")];
const nameless = stops.filter(e => !(e.getAttribute("aria-label") || e.textContent.trim())).length;
const cut = [...document.querySelectorAll("figure, .card, .claims div")].filter(e => e.scrollWidth > e.clientWidth + 1);
const tall = stops.filter(e => e.tabIndex > 0).length;
document.title = ["looked", wide, stops.length, nameless, cut.length, tall].join(" ");
"""
"""What only a browser knows of a page: how far it is too wide, what the keyboard can reach, what is cut."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DEADLINE_S = 90


class Site(http.server.ThreadingHTTPServer):
    """Serves a few pages on the loopback and remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []

    def url(self, name: str, text: str) -> str:
        self.pages[f"/{name}"] = text.encode()
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Site)
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def browse(url: str, folder: Path, *flags: str) -> tuple[str, list[str]]:
    """(standard output, lines of the page's console) of one headless visit."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    command = [
        found,
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
        *("--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'profile'}", *flags, url),
    ]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False, text=True, errors="replace")
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def rows(png: bytes) -> tuple[int, int, set[bytes]]:
    """(width, height, distinct filtered rows) of a PNG."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    at, data = 8, b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    raw = zlib.decompress(data)
    stride = 1 + width * {2: 3, 6: 4}[colour] * depth // 8
    return width, height, {raw[start : start + stride] for start in range(0, len(raw), stride)}


def test_the_page_is_quiet_and_asks_for_nothing(site: Site, tmp_path: Path) -> None:
    dom, console = browse(site.url("report.html", render(report(CASES), ".html")), tmp_path, "--dump-dom")
    assert "</svg>" in dom
    assert "synthetic-digits on 3 devices" in dom
    assert console == []
    assert site.asked == ["/report.html"]


def test_an_attempt_would_be_seen(site: Site, tmp_path: Path) -> None:
    page = render(report(CASES[:1]), ".html").replace("</main>", '<img src="/spy.png"><script>1</script></main>')
    _, console = browse(site.url("control.html", page), tmp_path, "--dump-dom")
    assert len([line for line in console if "Content Security Policy" in line]) == 2
    assert site.asked == ["/control.html"]


@pytest.mark.parametrize("width", [1200, 420])
def test_the_picture_is_not_blank(site: Site, tmp_path: Path, width: int) -> None:
    picture = tmp_path / "report.png"
    url = site.url("report.html", render(report(CASES), ".html"))
    browse(url, tmp_path, f"--screenshot={picture}", f"--window-size={width},2400")
    found, height, distinct = rows(picture.read_bytes())
    assert height == 2400
    assert found >= width
    assert len(distinct) > 300


@pytest.mark.parametrize("width", [1160, 360])
def test_nothing_is_cut_and_the_keyboard_reaches_everything(site: Site, tmp_path: Path, width: int) -> None:
    """In a frame, as no window of the browser is as narrow as a telephone."""
    page = render(report([*CASES, *FULL]), ".html")
    policy = page[page.index("<meta http-equiv") : page.index(">", page.index("<meta http-equiv")) + 1]
    inside = site.url("look.html", page.replace(policy, "").replace("</body>", f"<script>{LOOK}</script></body>"))
    tell = "document.title = this.contentDocument.title"
    outside = f'<title>none</title><iframe src="{inside}" width="{width}" height="900" onload="{tell}"></iframe>'
    dom, _ = browse(site.url("frame.html", outside), tmp_path, "--dump-dom", "--window-size=1280,1000")
    found = re.search(r"<title>looked (-?\d+) (\d+) (\d+) (\d+) (\d+)</title>", dom)
    assert found, dom[:500]
    wide, stops, nameless, cut, ordered = map(int, found.groups())
    assert (wide, nameless, cut, ordered) == (0, 0, 0, 0)
    assert stops > 20


def test_dark_is_dark_and_paper_is_light(site: Site, tmp_path: Path) -> None:
    url = site.url("report.html", render(report(FULL[:1]), ".html"))
    for name, flags in (("light", ()), ("dark", ("--blink-settings=preferredColorScheme=0",))):
        browse(url, tmp_path, f"--screenshot={tmp_path / name}.png", "--window-size=900,600", *flags)
    assert (tmp_path / "light.png").read_bytes() != (tmp_path / "dark.png").read_bytes()
    browse(url, tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}", "--no-pdf-header-footer")
    paper = (tmp_path / "page.pdf").read_bytes()
    assert paper.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 8
