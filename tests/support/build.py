"""Builds what an index would get."""

import os
import subprocess
import sys
from pathlib import Path

EPOCH = "1767225600"  # seconds: any moment will do, but the same one
BUILD = """
import sys
from hatchling.build import build_sdist, build_wheel
print({"wheel": build_wheel, "sdist": build_sdist}[sys.argv[1]](sys.argv[2]))
"""


def build(kind: str, source: Path, folder: Path) -> Path:
    """Return the wheel or sdist of the project in *source*, made in *folder*."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(folder)],
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        capture_output=True,
        text=True,
        check=True,
        timeout=80,
    )
    return folder / done.stdout.split()[-1]
