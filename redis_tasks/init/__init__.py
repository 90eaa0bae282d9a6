"""Write the files by which an existing app is deployed."""

from importlib.resources import files
from pathlib import Path
from string import Template

MODULE = "task_settings"
NOT_THE_APP = {"tests", "test", "docs", "scripts", "migrations"}
SHORTEST_NAME, LONGEST_NAME = 3, 30  # characters, says app.json


def contents(folder: Path) -> dict[Path, str]:
    """Return what to write for the app in *folder*, by its place there.

    The settings module goes into the app's package, if there is exactly one.
    """
    package = _package(folder)
    module = f"{package}.{MODULE}" if package else MODULE
    values = {"settings": module, "name": _app_name(folder)}
    templates = files("redis_tasks.init") / "templates"
    places = {
        "Procfile": Path("Procfile"),
        "gunicorn.txt": Path("gunicorn.conf.py"),
        "app.json": Path("app.json"),
        "settings.txt": Path(*module.split(".")).with_suffix(".py"),
    }
    texts = {name: (templates / name).read_text("utf-8") for name in places}
    # Only these hold names of the app: in the others a dollar is the shell's.
    for name in ("app.json", "settings.txt"):
        texts[name] = Template(texts[name]).substitute(values)
    return {place: texts[name] for name, place in places.items()}


def _package(folder: Path) -> str | None:
    packages = [
        path.parent.name
        for path in sorted(folder.glob("*/__init__.py"))
        if path.parent.name.isidentifier() and path.parent.name not in NOT_THE_APP
    ]
    return packages[0] if len(packages) == 1 else None


def _app_name(folder: Path) -> str:
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in folder.name)
    name = name[:LONGEST_NAME].strip("-")
    return name if len(name) >= SHORTEST_NAME else f"app-{name}".strip("-")
