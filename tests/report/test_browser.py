"""Pages in a real browser: they fit a phone, they are not blank, and the dark is dark."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import zlib
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner

from tarbiter.archive.case import Case
from tarbiter.archive.recipe import Long, Member, Pax, Recipe, Record
from tarbiter.archive.text import dumps
from tarbiter.cli import main

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
PHONE, DESK = 360, 1200
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--allow-file-access-from-files",
)

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser here: none of {', '.join(BROWSERS)}")

HARD = Recipe(
    parts=(
        Pax(records=(Record(b"path", b"W" * 300), Record(b"comment", b"<script>document.title='ran'</script>"))),
        Member(name=b"W" * 100, data=b"M" * 5000, uname=b"Q" * 32),
        Long(text=b"/".join([b"deep"] * 60)),
        Member(name=b"deep", kind="dir"),
        Member(name=b"<img src=x onerror=\"document.title='ran'\">", data=b"x"),
        Member(name=b"slash/", data=b"8 bytes."),
        Member(kind="symlink", name=b"link", linkname=b"L" * 100),
    )
)
"""Names as wide as they come, and such as would be markup."""

MEASURE = """<!doctype html><meta charset="utf-8"><style>body{margin:0}iframe{border:0;height:600px}</style>
<iframe id="phone" src="PAGE" style="width:360px"></iframe>
<iframe id="desk" src="PAGE" style="width:1200px"></iframe>
<pre id="said"></pre><script>
onload = () => {
  const said = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const inside = frame.contentDocument, root = inside.documentElement;
    const wide = [...inside.querySelectorAll("body *")].filter(one => !one.closest(".scroll > *")
      && one.getBoundingClientRect().right > root.clientWidth + 0.5).map(one => one.tagName + "." + one.className);
    said[frame.id] = {width: root.scrollWidth, room: root.clientWidth, height: root.scrollHeight, wide: wide,
      title: inside.title, letters: inside.querySelectorAll(".letter").length,
      font: parseFloat(getComputedStyle(inside.body).fontSize),
      smallest: Math.min(...[...inside.querySelectorAll("body *")].map(
        one => parseFloat(getComputedStyle(one).fontSize)))};
  }
  document.getElementById("said").textContent = JSON.stringify(said);
};
</script>"""

FRAME = """<!doctype html><style>body{margin:0}iframe{border:0;width:WIDTHpx;height:1400px}</style>
<iframe src="PAGE"></iframe>"""
"""A window is never narrower than 500 pixels; a frame is as narrow as a phone."""


def browse(folder: Path, *arguments: str) -> str:
    profile = folder / "profile"
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={profile}", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    shutil.rmtree(profile, ignore_errors=True)
    return done.stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    case, path = folder / "hard.toml", folder / "page.html"
    case.write_text(dumps(Case(recipe=HARD, title="Names as wide as they come")))
    names = "extractor-strict,extractor-compat,tarfile-fully-trusted,gnu-tar"
    result = CliRunner().invoke(main, ["compare", str(case), "--with", names, "--html", str(path)])
    assert result.exit_code == 1, result.output
    return path


def test_it_fits(page: Path, tmp_path: Path) -> None:
    measure = tmp_path / "measure.html"
    measure.write_text(MEASURE.replace("PAGE", page.as_uri()))
    dom = browse(tmp_path, "--dump-dom", "--virtual-time-budget=10000", measure.as_uri())
    found = re.search(r'<pre id="said">(.*?)</pre>', dom)
    assert found is not None
    said = json.loads(unescape(found[1]))
    for name, width in (("phone", PHONE), ("desk", DESK)):
        seen = said[name]
        assert seen["room"] == width
        assert seen["width"] == width
        assert seen["wide"] == []
        assert seen["title"] == f"{page.parent / 'hard.toml'} - tarbiter compare"  # no script of a name has run
        assert seen["letters"] > 5
        assert seen["font"] >= 15
        assert seen["smallest"] >= 9
    assert said["phone"]["height"] > said["desk"]["height"] > 1000


def picture(page: Path, folder: Path, width: int, *arguments: str) -> tuple[tuple[int, int], tuple[int, ...], int]:
    """Width and height of a screenshot, its first pixel, and how many different values its pixels have."""
    frame, shot = folder / "frame.html", folder / f"{width}.png"
    frame.write_text(FRAME.replace("WIDTH", str(width)).replace("PAGE", page.as_uri()))
    browse(folder, *arguments, f"--window-size={max(500, width)},1400", f"--screenshot={shot}", frame.as_uri())
    data = shot.read_bytes()
    at, pixels, size = 8, b"", (0, 0)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IHDR":
            size = struct.unpack_from(">II", data, at + 8)
        if kind == b"IDAT":
            pixels += data[at + 8 : at + 8 + length]
        at += length + 12
    raw = zlib.decompress(pixels)
    # The first pixel is as it is, whatever the filter of its row: there is nothing before it.
    return size, tuple(raw[1:4]), len(set(raw))


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_it_can_be_seen_in_the_light_and_in_the_dark(page: Path, tmp_path: Path, width: int) -> None:
    size, light, values = picture(page, tmp_path, width)
    assert size == (max(500, width), 1400)
    assert min(light) > 200
    assert values > 100
    _, dark, values = picture(page, tmp_path, width, "--force-dark-mode", "--blink-settings=preferredColorScheme=0")
    assert max(dark) < 60
    assert values > 100
