"""A report as a picture for README.md: what headless Chromium shows of the top of the page, in few colours.

    make demo && .venv/bin/python scripts/report_picture.py edgeq-demo/report.html docs/report.png

The page says which boards and which processor architecture were there, and no name of the machine that drew it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTH, HEIGHT = 1200, 1485
COLOURS = 256
MOST_BYTES = 200_000


def screenshot(page: Path, picture: Path, height: int) -> None:
    """The top of `page`, `height` high."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("No Chromium is installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
            *(f"--user-data-dir={profile}", f"--window-size={WIDTH},{height}", f"--screenshot={picture.resolve()}"),
            page.resolve().as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def reduce(picture: Path) -> int:
    """Few colours are enough for a page; bytes that are left."""
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)
    return picture.stat().st_size


def main() -> None:
    """Draw it, and refuse one that is too large for a README."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=Path, help="a report.html")
    parser.add_argument("picture", type=Path, help="a .png to write")
    parser.add_argument("--height", type=int, default=HEIGHT, help="how much of the page, in pixels")
    given = parser.parse_args()
    screenshot(given.page, given.picture, given.height)
    size = reduce(given.picture)
    if size >= MOST_BYTES:
        sys.exit(f"{given.picture} has {size:,} bytes, and {MOST_BYTES:,} are the most: give a smaller --height")
    print(f"{given.picture}: {size:,} bytes")


if __name__ == "__main__":
    main()
