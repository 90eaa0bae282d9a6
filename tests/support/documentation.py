"""Reads the README and the guide, and runs their Python blocks.

A Python block whose first line is a comment with a file's name (`# tasks.py`) is that file. Any
other one is executed, all of a page in one namespace; a block of `text` right behind it is what it
prints.
`python -m tests.support.documentation PAGE` does so in the working directory.
"""

import contextlib
import importlib
import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# (\w+\.py)\n")
_ROW = re.compile(r"^\|(.*)\|$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"(\w+)=(.*)")


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    start: int  # where it begins and ends in the page
    end: int

    @property
    def file_name(self) -> str | None:
        """Name of the file that it is, None if it is to be executed."""
        found = _FILE_NAME.match(self.text) if self.language == "python" else None
        return found[1] if found else None


@dataclass(frozen=True)
class Command:
    """A command line, with the variables that are set in front of it."""

    words: list[str]
    variables: dict[str, str]


def blocks(page: Path) -> list[Block]:
    return [
        Block(found["language"], found["text"], found.start(), found.end())
        for found in _FENCE.finditer(page.read_text())
    ]


def commands(page: Path) -> list[Command]:
    """Return what a page tells to type, or to write into a Procfile."""
    lines = [line for block in blocks(page) for line in block.text.splitlines()]
    prompts = ("$ ", "worker: ", "scheduler: ")
    return [_command(line.split(" ", 1)[1]) for line in lines if line.startswith(prompts)]


def _command(line: str) -> Command:
    words, variables = shlex.split(line), {}
    while words and (assignment := _ASSIGNMENT.fullmatch(words[0])):
        variables[assignment[1]] = assignment[2]
        words.pop(0)
    return Command(words, variables)


def environment(**variables: str) -> dict[str, str]:
    """Return ours, with the repository on Python's path and nobody's proxies."""
    ours = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return {**ours, "PYTHONPATH": str(ROOT), **variables}


def rows(text: str) -> list[list[str]]:
    """Return the cells of all rows of all tables, heads and rulers among them."""
    return [[cell.strip() for cell in row[1].split("|")] for row in _ROW.finditer(text)]


def section(page: Path, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level."""
    level = heading.partition(" ")[0]
    _, _, rest = page.read_text().partition(f"\n{heading}\n")
    return rest.partition(f"\n{level} ")[0]


def write_files(page: Path, folder: Path) -> list[str]:
    """Write the files that a page shows, word for word; return their names."""
    named = {block.file_name: block.text for block in blocks(page) if block.file_name}
    for name, text in named.items():
        (folder / name).write_text(text)
    return list(named)


def main(page: Path) -> int:
    """Execute all Python blocks of a page; return the exit code."""
    names = write_files(page, Path.cwd())
    namespace: dict[str, object] = {"__name__": "documentation"}
    for block, output in _executable(page):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block.text, f"{page.name}:{block.start}", "exec"), namespace)
        if output is not None:
            said = printed.getvalue()
            assert said == output.text, f"{page.name}: this prints {said!r}:\n{block.text}"
    for name in names:
        if not name.startswith("test_"):
            importlib.import_module(name.removesuffix(".py"))
    tests = [name for name in names if name.startswith("test_")]
    quietly = ["-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", "--rootdir", "."]
    return int(pytest.main([*quietly, *tests])) if tests else 0


def _executable(page: Path) -> Iterator[tuple[Block, Block | None]]:
    text = page.read_text()
    for block, after in pairwise([*blocks(page), Block("", "", len(text), len(text))]):
        if block.language == "python" and block.file_name is None:
            is_output = after.language == "text" and not text[block.end : after.start].strip()
            yield block, after if is_output else None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
