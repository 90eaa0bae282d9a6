"""The documentation builds as a site in which nothing is missing."""

import re
import shlex
import subprocess
import sys
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

import redis_tasks
from development import diagrams
from redis_tasks import keys
from tests.support.documentation import ROOT

DOCS = ROOT / "docs"
SPHINX = re.compile(r"-m sphinx (.*)")


class Page(HTMLParser):
    """The ids of a page and what it links to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids = {"", "top"}
        self.links: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.ids.add(value)
            elif name in ("href", "src") and value and not re.match(r"[a-z]+:|#$", value):
                self.links.add(value)


@pytest.mark.timeout(300)  # it builds for 15 s, more where others want the processors too
def test_the_site_builds_and_nothing_is_missing_in_it(tmp_path: Path) -> None:
    for package in ("sphinx", "furo", "myst_parser", "sphinx_click"):
        pytest.importorskip(package, reason="the site needs what the extra docs installs")
    site = tmp_path / "site"

    build(site)

    pages = {file: Page(file.read_text()) for file in site.rglob("*.html")}
    assert broken_links(site, pages) == []
    sources = [*DOCS.glob("*.md"), *DOCS.rglob("*.rst")]
    built = {site / source.relative_to(DOCS).with_suffix(".html") for source in sources}
    first = {(site / urldefrag(link)[0]).resolve() for link in pages[site / "index.html"].links}
    assert built - {site / "index.html"} <= first
    assert missing_names(pages[site / "reference" / "api.html"].ids) == []
    assert "--concurrency" in (site / "reference" / "commands.html").read_text()
    assert missing_keys((site / "reference" / "keys.html").read_text()) == []


def build(folder: Path) -> None:
    """Build as bin/docs does: by its very words, but for the folder."""
    told = SPHINX.search((ROOT / "bin" / "docs").read_text())
    assert told is not None
    words = [w for w in shlex.split(told[1]) if w != "$@"]
    assert words[-2:] == ["docs", "build/docs"]
    assert "--fail-on-warning" in words

    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words[:-1], str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def broken_links(site: Path, pages: dict[Path, Page]) -> list[str]:
    broken = []
    for file, page in pages.items():
        for link in page.links:
            path, anchor = urldefrag(link)
            path = path.partition("?")[0]
            target = (file.parent / unquote(path)).resolve() if path else file
            if not target.is_file():
                broken.append(f"{file.relative_to(site)}: {link}")
            elif target in pages and anchor not in pages[target].ids:
                broken.append(f"{file.relative_to(site)}: {link}, which has no such part")
    return broken


def missing_names(ids: set[str]) -> list[str]:
    wanted = [*redis_tasks.__all__, "Queue.enqueue_call", "Task.save_meta", "TWorker.run"]
    return [
        name
        for name in wanted
        if not {f"redis_tasks.{name}", f"redis_tasks.exceptions.{name}"} & ids
    ]


def missing_keys(html: str) -> list[str]:
    assert keys.__doc__ is not None
    names = re.findall(r"^(p:[\w:<>-]+)", keys.__doc__, re.MULTILINE)
    assert len(names) > 20
    return [name for name in names if escape(name) not in html]


@pytest.mark.parametrize("source", sorted(diagrams.SOURCES.glob("*.txt")), ids=lambda s: s.stem)
def test_a_diagram_is_what_its_text_draws(source: Path) -> None:
    picture = diagrams.PICTURES / f"{source.stem}.svg"

    assert picture.read_text() == diagrams.draw(source), "run: python -m development.diagrams"


def test_every_diagram_has_a_text_and_is_shown() -> None:
    # The charts of the benchmarks come from their figures.
    pictures = diagrams.PICTURES.glob("*.svg")
    drawn = {each.name for each in pictures if not each.name.startswith("performance-")}
    shown = {
        name
        for page in [ROOT / "README.md", *DOCS.glob("*.md")]
        for name in re.findall(r"images/(\w+\.svg)\)", page.read_text())
    }

    assert drawn == {f"{source.stem}.svg" for source in diagrams.SOURCES.glob("*.txt")}
    assert shown == drawn


def test_a_diagram_has_a_colour_for_light_and_for_dark_pages() -> None:
    light, dark = diagrams.STYLE.split("@media (prefers-color-scheme: dark)")
    coloured = re.compile(r"\.(\w+)[^{}]*\{[^}]*(?:fill|stroke): #")

    assert set(coloured.findall(light)) <= set(re.findall(r"\.(\w+)", dark))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("size 9 9\nbox a 0 0 50 20: much too long a name", "line 2: .* does not fit"),
        ("a -> b: no such boxes", "line 1"),
        ("circle 1 2 3", "line 1"),
    ],
)
def test_a_wrong_line_of_a_diagram_is_named(text: str, error: str, tmp_path: Path) -> None:
    source = tmp_path / "wrong.txt"
    source.write_text(text)

    with pytest.raises(ValueError, match=f"wrong.txt, {error}"):
        diagrams.draw(source)
