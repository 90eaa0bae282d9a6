"""Translate between import paths and the objects that they name."""

import importlib
import inspect
from functools import lru_cache
from typing import Any

LONGEST = 255  # characters of a path: import recurses into its parts


class Later:
    """Stands for a module that is imported as soon as something of it is used."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._module), name)


def import_attribute(path: str) -> Any:
    """Return the object that ``package.module.name`` (or ``...Class.name``) names.

    Raises ``ValueError`` for what cannot be an import path, ``ImportError`` if no such module
    exists, ``AttributeError`` if the module has no such name, and whatever importing raises.
    """
    if not is_path(path):
        raise ValueError(f"{path!r:.200} is not an import path such as 'package.module.name'")
    outer, _, name = path.rpartition(".")
    return getattr(_module_or_class(outer), name)


def _module_or_class(path: str) -> Any:
    outer, dot, name = path.rpartition(".")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        # Perhaps a class within a module; but an import that fails inside of a module is an error.
        is_itself_missing = f"{path}.".startswith(f"{error.name}.")
        if not dot or not is_itself_missing:
            raise
    return getattr(_module_or_class(outer), name)


def path_of(func: object) -> str:
    """Return the path by which another process can import *func*.

    Raises ``ValueError`` saying why it has none: lambdas, functions inside functions, what is
    defined in ``__main__``, methods of instances, callables without a name.
    """
    if not callable(func):
        raise ValueError(f"{_shown(func)} cannot be called")  # noqa: TRY004 -- one kind for all
    module = getattr(func, "__module__", None)
    name = getattr(func, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(name, str) and module and name):
        raise ValueError(f"{_shown(func)} has no name by which it can be imported")
    if "<lambda>" in name:
        raise ValueError(f"a lambda in {module} cannot be imported: write a function with a name")
    if "<locals>" in name:
        raise ValueError(
            f"{module}.{name} is defined inside another function:"
            " move it to the top level of its module"
        )
    if module == "__main__":
        raise ValueError(
            f"{name} is defined in __main__, which is another module in every process:"
            " move it to a module that can be imported"
        )
    if _is_bound(func, name):
        raise ValueError(
            f"{module}.{name} is a method of an object, which its path does not say:"
            " pass a function, with what it works on as an argument"
        )
    return f"{module}.{name}"


def top_level(path: str) -> str:
    """Return the package (or module) at the root of an import path."""
    return path.partition(".")[0]


def is_path(text: object) -> bool:
    """Tell whether *text* has the form ``module.name``."""
    return isinstance(text, str) and "." in text and is_module_name(text)


def is_module_name(text: object) -> bool:
    """Tell whether *text* has the form ``module`` or ``package.module``."""
    if not isinstance(text, str) or len(text) > LONGEST:
        return False
    return _is_dotted(text)


@lru_cache(1024)  # every run asks for its function's
def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _is_bound(func: object, name: str) -> bool:
    if not inspect.ismethod(func):
        return False
    # A class method is found by its path, unless it was inherited from another class.
    owner: object = func.__self__
    return not (isinstance(owner, type) and f"{owner.__qualname__}.{func.__name__}" == name)


def _shown(value: object) -> str:
    return f"a {type(value).__name__} ({value!r:.100})"
