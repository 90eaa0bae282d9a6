import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo import feeder, tasks
from development.up import screen
from redis_tasks import Queue, Task, TWorker, defaults
from redis_tasks.conf import connection, settings
from redis_tasks.registries import failed_task_registry

pytestmark = pytest.mark.usefixtures("settings_for_test")


def test_a_text_is_fetched_by_its_address(capfd: pytest.CaptureFixture[str]) -> None:
    address = feeder.serve_texts()
    Queue().enqueue_call(tasks.print_len_of_url_content, [f"{address}/bakery.txt"])

    TWorker().run()

    length = (feeder.HERE / "texts" / "bakery.txt").stat().st_size
    assert f"bakery.txt has {length} bytes" in capfd.readouterr().out


def test_only_addresses_of_the_web_are_fetched() -> None:
    Queue().enqueue_call(tasks.print_len_of_url_content, [Path(__file__).as_uri()])

    with pytest.raises(RuntimeError, match="only http and https"):
        TWorker().run()


def test_words_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    text = tmp_path / "text"
    text.write_text("Lantern, lantern! A lighthouse.")
    Queue().enqueue_call(tasks.count_words, [str(text)])

    TWorker().run()

    assert "4 words in" in caplog.text
    assert "lantern (2), lighthouse (1)" in caplog.text


def test_a_report_goes_on_with_the_page_after_the_last_one_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    task = Queue().enqueue_call(tasks.write_report, ["weather", 4, 0])
    task.meta["pages"] = 2
    task.save_meta()

    TWorker().run()

    pages = [record.message for record in caplog.records if "page" in record.message]
    assert pages == ["weather: page 3 of 4", "weather: page 4 of 4"]
    assert Task.fetch(task.id).meta == {"pages": 4}


def test_the_command_that_bin_up_shows_enqueues_a_task(redis_url: str) -> None:
    shown = screen({}, redis_url, embedded=True)
    block = shown.split("another terminal:\n")[1].split("To see")[0]

    subprocess.run(
        ["/bin/sh", "-euc", block.replace(".venv/bin/python", sys.executable)], check=True
    )

    with settings.override(REDIS_PREFIX=defaults.REDIS_PREFIX):
        assert [task.func_name for task in Queue().get_tasks()] == ["demo.tasks.count_words"]


def test_a_round_of_the_feeder_holds_every_task_of_the_demo() -> None:
    calls = feeder.endless_mix(feeder.serve_texts())

    pauses = [feeder.feed(Queue(), calls) for _ in range(6)]

    enqueued = {task.func_name for task in Queue().get_tasks()}
    assert pauses == [feeder.PAUSE] * 5 + [feeder.REST]
    assert enqueued == {
        "demo.tasks.ask_warehouses",
        "demo.tasks.charge",
        "demo.tasks.count_words",
        "demo.tasks.print_len_of_url_content",
        "demo.tasks.write_report",
    }


def test_the_feeders_task_that_fails_is_the_only_one() -> None:
    calls = feeder.endless_mix(feeder.serve_texts())
    next(calls)  # the report: it takes a minute
    while feeder.feed(Queue(), calls) != feeder.REST:
        pass

    TWorker().run(raise_on_failure=False)

    failed = failed_task_registry.get_tasks()
    assert [task.func_name for task in failed] == ["demo.tasks.charge"]
    assert "nineteen" in (failed[0].description or "")


def test_the_feeder_enqueues_no_second_report_while_one_is_under_way() -> None:
    Queue().enqueue_call(tasks.write_report, ["the first"])

    feeder.enqueue_report(Queue())

    assert [task.args for task in Queue().get_tasks()] == [("the first",)]


def test_the_feeder_waits_behind_a_full_queue() -> None:
    calls = feeder.endless_mix(feeder.serve_texts())
    for _ in range(feeder.FULL):
        Queue().enqueue_call(tasks.charge, ["somebody", "1"])

    pause = feeder.feed(Queue(), calls)

    assert pause == feeder.REST
    assert Queue().count() == feeder.FULL


def test_the_feeder_tries_again_where_redis_is_not_there(tmp_path: Path) -> None:
    calls = feeder.endless_mix("http://127.0.0.1")
    missing: dict[str, Any] = {"REDIS_URL": f"unix://{tmp_path / 'missing.sock'}"}

    with settings.override(**missing):
        connection.reset()
        pause = feeder.feed(Queue(), calls)

    assert pause == feeder.RETRY
