"""The text of a module that a test writes, with what its import leaves behind."""

from pathlib import Path

MARKED = """
from redis_tasks import redis_task
from subprocess import run
import os

@redis_task()
def f():
    pass

def unmarked():
    pass

class Box:
    @staticmethod
    @redis_task()
    def open():
        pass

    @classmethod
    @redis_task()
    def close(cls):
        pass

    @redis_task()
    def method(self):
        pass

box = Box()
text = "no function"
"""


def imported(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.is_file())
