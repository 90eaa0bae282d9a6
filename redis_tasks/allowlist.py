"""Decide which functions may run as tasks.

With ``TASK_MODULES`` set, it alone decides: a function may run if it is defined in (or below) one
of these modules. Without it, a function must be marked by ``@redis_task()``; and a record in Redis
may only name what is imported already or lies

- in the top-level package of the settings module, of the preload function or of a scheduled task,
- in a module or package that stands in the working directory, or in a folder given to
  ``trust_folder()``.

Nothing else is imported for a record's sake: who can write to Redis can start tasks, no more.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from redis_tasks import dotted
from redis_tasks.conf import settings
from redis_tasks.decorator import is_marked
from redis_tasks.exceptions import RedisTasksError

Function = Callable[..., Any]


class NotAllowed(RedisTasksError):
    """The function may not run as a task."""


class Unimportable(RedisTasksError):
    """The path names no function, or importing its module fails."""


_folders: set[Path] = set()


def trust_folder(path: Path) -> None:
    """Allow marked functions in the modules of a folder, as in the working directory."""
    _folders.add(path.resolve())


def check(func: Function | str) -> tuple[str, Function]:
    """Return a function and its import path, if it may be enqueued.

    Raises ``ValueError`` saying what is wrong, and what to do about it.
    """
    if isinstance(func, str):
        try:
            return func, load(func)
        except RedisTasksError as error:
            raise ValueError(str(error)) from error
    path = dotted.path_of(func)
    if not _is_listed(path) if settings.TASK_MODULES is not None else not is_marked(func):
        raise ValueError(_ways_out(path))
    if not _is_found_at(path, func):
        raise ValueError(
            f"{path} is not the function that was passed: give a function the name under which its"
            " module holds it"
        )
    return path, func


def load(path: str) -> Function:
    """Return the function that a record names.

    Raises ``NotAllowed`` or ``Unimportable``, and nothing else, whatever *path* is.
    """
    if not dotted.is_path(path):
        raise Unimportable(f"{path!r:.200} is not an import path such as 'package.module.name'")
    if settings.TASK_MODULES is not None:
        if not _is_listed(path):
            raise NotAllowed(_ways_out(path))
        return _checked_listed(path, _import(path))
    found = _imported_already(path)
    if found is None:
        if not _is_trusted(dotted.top_level(path)):
            raise NotAllowed(_ways_out_of_import(path))
        found = _import(path)
    return _checked_marked(path, found)


def _is_listed(path: str) -> bool:
    return any(f"{path}.".startswith(f"{prefix}.") for prefix in settings.TASK_MODULES)


def _checked_listed(path: str, found: Any) -> Function:
    # A module of the list may well import os.system; that does not make it one of its tasks.
    try:
        home = dotted.path_of(found)
    except ValueError as error:
        raise Unimportable(f"{path} cannot be a task: {error}") from error
    if not _is_listed(home):
        raise NotAllowed(f"{path} is {home}. {_ways_out(home)}")
    function: Function = found
    return function


def _checked_marked(path: str, found: Any) -> Function:
    try:
        may_run = is_marked(found)
    except Exception as error:  # an object of the user's that does not like to be asked
        raise NotAllowed(_ways_out(path)) from error
    if not may_run:
        raise NotAllowed(_ways_out(path))
    if not callable(found):
        raise Unimportable(f"{path} cannot be called")
    function: Function = found
    return function


def _import(path: str) -> Any:
    try:
        return dotted.import_attribute(path)
    except (Exception, SystemExit) as error:  # importing runs the user's code
        raise Unimportable(
            f"{path} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _imported_already(path: str) -> Any:
    """Return what *path* names in the modules that are there; None if one would be missing."""
    module, names = _longest_imported(path)
    if module is None:
        return None
    # Not by getattr: a module may import others when it is asked for a name.
    found = vars(module).get(names[0])
    if isinstance(found, ModuleType):
        return None
    for name in names[1:]:
        found = getattr(found, name, None) if isinstance(found, type) else None
    return found


def _longest_imported(path: str) -> tuple[ModuleType | None, list[str]]:
    outer = path
    while "." in outer:
        outer = outer.rpartition(".")[0]
        if (module := sys.modules.get(outer)) is not None:
            return module, path[len(outer) + 1 :].split(".")
    return None, []


def _is_found_at(path: str, func: Function) -> bool:
    try:
        # Where it must be by now: to import what is imported already takes several times as long.
        found = _imported_already(path) if dotted.is_path(path) else None
        if found is not func:
            found = dotted.import_attribute(path)
    except (Exception, SystemExit):  # importing runs the user's code
        return False
    return found is func or found == func


def _is_trusted(package: str) -> bool:
    return package in _trusted_packages() or _stands_in_a_folder(package)


def _trusted_packages() -> Iterator[str]:
    if settings.module_name:
        yield dotted.top_level(settings.module_name)
    if settings.WORKER_PRELOAD_FUNCTION:
        yield dotted.top_level(settings.WORKER_PRELOAD_FUNCTION)
    for entry in settings.SCHEDULE.values():
        task = entry.get("task") if isinstance(entry, Mapping) else None
        if isinstance(task, str):
            yield dotted.top_level(task)
        elif task is not None:
            yield dotted.top_level(getattr(task, "__module__", "") or "")


def _stands_in_a_folder(package: str) -> bool:
    """Tell whether importing a top-level package would take it from a trusted folder."""
    try:
        spec = importlib.util.find_spec(package)
        folders = {Path.cwd().resolve(), *_folders}
    except (ImportError, ValueError, OSError):
        return False
    if spec is None:
        return False
    # The very folder: an environment for installed packages may well lie below it.
    return any(place.parent in folders for place in _places(spec))


def _places(spec: ModuleSpec) -> list[Path]:
    origin = [spec.origin] if spec.has_location and spec.origin else []
    return [Path(place).resolve() for place in spec.submodule_search_locations or origin]


def _ways_out(path: str) -> str:
    if settings.TASK_MODULES is not None:
        return (
            f"{path} may not run as a task: the setting TASK_MODULES does not list it."
            f" Add {path.rpartition('.')[0]!r} there, or pass a function of a listed module"
        )
    return (
        f"{path} may not run as a task: mark it with @redis_task(),"
        f" or list {path.rpartition('.')[0]!r} in the setting TASK_MODULES"
    )


def _ways_out_of_import(path: str) -> str:
    return (
        f"{path} may not be imported for a task: its module is neither loaded nor part of the"
        " settings module's package, the working directory, or the package of the preload"
        " function. Import it in WORKER_PRELOAD_FUNCTION, or list"
        f" {path.rpartition('.')[0]!r} in the setting TASK_MODULES"
    )
