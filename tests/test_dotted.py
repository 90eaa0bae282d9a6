"""Functions are named by import paths that lead back to them, or not at all."""

import functools
import os.path
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from redis_tasks import dotted


def top_level() -> None: ...


async def coroutine() -> None: ...


class Parent:
    @staticmethod
    def static() -> None: ...

    @classmethod
    def of_class(cls) -> None: ...

    def of_instance(self) -> None: ...

    def __call__(self) -> None: ...


class Child(Parent):
    pass


class Shown:
    def __repr__(self) -> str:
        return "x" * 1000


HERE = __name__


@pytest.mark.parametrize(
    ("func", "path"),
    [
        (top_level, f"{HERE}.top_level"),
        (coroutine, f"{HERE}.coroutine"),
        (Parent.static, f"{HERE}.Parent.static"),
        (Parent.of_class, f"{HERE}.Parent.of_class"),
        (Parent, f"{HERE}.Parent"),
        (os.path.join, "posixpath.join"),
        (len, "builtins.len"),
    ],
)
def test_a_function_is_found_again_by_its_path(func: Callable[..., Any], path: str) -> None:
    assert dotted.path_of(func) == path
    assert dotted.import_attribute(path) == func


def nested() -> Callable[[], None]:
    def inside() -> None: ...

    return inside


def of_main() -> None: ...


of_main.__module__ = "__main__"


@pytest.mark.parametrize(
    ("func", "why"),
    [
        (lambda: None, "a lambda in .* cannot be imported: write a function with a name"),
        (nested(), r"nested\.<locals>\.inside is defined inside another function"),
        (of_main, "of_main is defined in __main__"),
        (Parent().of_instance, r"Parent\.of_instance is a method of an object"),
        (Child.of_class, r"Parent\.of_class is a method of an object"),
        (Parent(), "has no name by which it can be imported"),
        (functools.partial(top_level), "has no name by which it can be imported"),
        ("text".upper, "has no name by which it can be imported"),
        (7, r"a int \(7\) cannot be called"),
        (Shown(), r"a Shown \(x{100}\) cannot be called"),
        (None, "cannot be called"),
    ],
)
def test_what_has_no_path_says_why(func: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        dotted.path_of(func)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "os",
        ".os.path",
        "os.",
        "os..path",
        "os path.x",
        "a.b-c",
        "a.<locals>.b",
        "a.b()",
        "a." * 200 + "a",
    ],
)
def test_a_malformed_path_is_a_value_error(path: str) -> None:
    with pytest.raises(ValueError, match="is not an import path"):
        dotted.import_attribute(path)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with a module that lacks something, and one that fails as it loads."""
    folder = tmp_path / "rt_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("loaded = True\n")
    (folder / "lacking.py").write_text("import rt_not_there\n")
    (folder / "failing.py").write_text("raise LookupError('at import')\n")
    (folder / "sound.py").write_text("class Outer:\n    class Inner:\n        value = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "rt_package"
    for name in [name for name in sys.modules if name.startswith("rt_package")]:
        del sys.modules[name]


def test_names_within_classes_are_found(package: str) -> None:
    assert dotted.import_attribute(f"{package}.sound.Outer.Inner.value") == 7
    assert dotted.import_attribute(f"{package}.loaded") is True


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere.func", AttributeError, "'rt_package' has no attribute 'nowhere'"),
        ("sound.nothing", AttributeError, "no attribute 'nothing'"),
        ("sound.Outer.nothing", AttributeError, "no attribute 'nothing'"),
        ("lacking.func", ModuleNotFoundError, "No module named 'rt_not_there'"),
        ("sound.Nowhere.func", AttributeError, "no attribute 'Nowhere'"),
        ("lacking.Outer.func", ModuleNotFoundError, "No module named 'rt_not_there'"),
        ("failing.func", LookupError, "at import"),
    ],
)
def test_an_import_that_fails_says_what_is_missing(
    package: str, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        dotted.import_attribute(f"{package}.{name}")


def test_a_module_that_does_not_exist_is_an_import_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'rt_nowhere'"):
        dotted.import_attribute("rt_nowhere.tasks.func")


def test_the_top_level_package_is_the_first_name() -> None:
    assert dotted.top_level("a.b.c") == "a"
    assert dotted.top_level("a") == "a"


@pytest.mark.parametrize(
    ("text", "is_path", "is_module"),
    [
        ("a.b", True, True),
        ("a", False, True),
        ("", False, False),
        ("a.", False, False),
        ("a b.c", False, False),
        (None, False, False),
    ],
)
def test_the_form_of_a_path_is_recognised(text: object, is_path: bool, is_module: bool) -> None:
    assert (dotted.is_path(text), dotted.is_module_name(text)) == (is_path, is_module)
