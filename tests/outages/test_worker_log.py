"""What a worker says: one line an event, in exactly these forms, without secrets."""

import json
import re
from typing import Any

import pytest

from redis_tasks import Queue, keys
from redis_tasks.conf import connection, settings
from tests.conftest import StartServer, StartWorker
from tests.outages import tasks
from tests.outages.watching import wait_for_status
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
HOSTILE = "a\nb\r\tc\x1b[31md\x7fe\u2028f\u2029g\x85h\u202ei\x00\x9bj"
LINE = re.compile(r"\d\d:\d\d:\d\d [A-Z]{4,5} +[a-z_.]+: .*")


def test_lines_have_exactly_the_promised_form(start_worker: StartWorker, ledger: Ledger) -> None:
    task = Queue().enqueue_call(tasks.log_order, kwargs={"text": "17"})
    failing = Queue().enqueue_call(tasks.raise_text, ["no"])
    interrupted = Queue().enqueue_call(act, [["sleep", 60]])
    worker = start_worker("--description", "web-7.14152")
    ledger.wait_for("start", interrupted.id)
    worker.terminate()
    assert worker.wait_exit() == 0

    lines = worker.lines()

    time = r"\d\d:\d\d:\d\d"
    called = rf"Task tests\.outages\.tasks\.log_order\(text='17'\) \[{task.id}\]"
    failed = rf"Task tests\.outages\.tasks\.raise_text\('no'\) \[{failing.id}\]"
    stopped = rf"Task tests\.support\.actions\.act\(\['sleep', 60\]\) \[{interrupted.id}\]"
    name = r"tests\.outages\.tasks\.raise_text"
    error = rf"Task {name} \[{failing.id}\] exception: ValueError: no \(File .*tasks.py.*\)"
    forms = [
        rf"{time} INFO    redis_tasks\.worker: Worker web-7\.14152 \[{UUID}\] started",
        rf"{time} INFO      redis_tasks\.task: {called} started",
        rf"{time} INFO           shop\.orders: order 17",
        rf"{time} INFO      redis_tasks\.task: {called} finished",
        rf"{time} INFO      redis_tasks\.task: {failed} started",
        rf"{time} INFO      redis_tasks\.task: {failed} failed",
        rf"{time} WARN      redis_tasks\.task: {error}",
        rf"{time} INFO      redis_tasks\.task: {stopped} started",
        rf"{time} INFO    redis_tasks\.worker: Worker web-7\.14152 is asked to stop, 1 running",
        rf"{time} INFO      redis_tasks\.task: {stopped} requeued",
        rf"{time} INFO    redis_tasks\.worker: Worker web-7\.14152 \[{UUID}\] shut down",
    ]
    unmatched = [form for form in forms if not any(re.fullmatch(form, line) for line in lines)]
    assert unmatched == [], worker.text()
    assert len(lines) == len(forms), worker.text()


def test_several_workers_of_one_process_are_numbered(start_worker: StartWorker) -> None:
    worker = start_worker("--concurrency", "2", environment={"DYNO": "worker.1"})

    worker.wait_line(rf"Worker worker\.1#1 \[{UUID}#1\] started$")
    worker.wait_line(rf"Worker worker\.1#2 \[{UUID}#2\] started$")


def test_an_enqueue_within_a_task_is_logged_like_any_other(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker()
    Queue().enqueue_call(act, [["enqueue", "inner", ["note", "x"]]])

    inner = ledger.wait_for("enqueued").extra

    worker.wait_line(
        rf"INFO      redis_tasks\.task: Task tests\.support\.actions\.act\(\['note', 'x'\]\)"
        rf" \[{inner}\] enqueued$"
    )


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_control_characters_in_data_make_no_lines_of_their_own(
    log_format: str, start_worker: StartWorker, ledger: Ledger
) -> None:
    made = [
        Queue().enqueue_call(tasks.take, [HOSTILE]),
        Queue().enqueue_call(tasks.raise_text, [HOSTILE]),
        Queue().enqueue_call(tasks.log_order, [HOSTILE]),
    ]
    connection.hset(keys.task("strange\nid"), mapping={"st": "queued", "fn": f"x.{HOSTILE}"})
    connection.zadd(keys.queue("default"), {"strange\nid": 0})

    description = HOSTILE.replace("\x00", "")
    worker = start_worker(
        "--burst", "--log-format", log_format, "--description", description, wait=False
    )
    assert worker.wait_exit() == 0

    for task in made:
        task.refresh()
    assert [task.status for task in made] == ["finished", "failed", "finished"]
    acting = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]")
    for line in worker.lines():
        assert not acting.search(line), line
        assert json.loads(line) if log_format == "json" else LINE.fullmatch(line), line
    # Four tasks begin and end, two of them with an error; one logs; the worker begins and ends.
    assert len(worker.lines()) == 4 * 2 + 2 + 1 + 2, worker.text()


def test_json_lines_are_complete(start_worker: StartWorker, ledger: Ledger) -> None:
    good = Queue().enqueue_call(act_once, [["sleep", 0.05]])
    bad = Queue().enqueue_call(tasks.raise_text, ["no"])
    worker = start_worker("--burst", "--log-format", "json", wait=False)
    assert worker.wait_exit() == 0

    said: list[dict[str, Any]] = [json.loads(line) for line in worker.lines()]

    for line in said:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("INFO", "WARNING")
        assert {"logger", "message"} <= line.keys()
    about = {
        (line["task_id"], line["message"].rsplit(maxsplit=1)[-1]): line
        for line in said
        if line["logger"] == "redis_tasks.task" and line["level"] == "INFO"
    }
    assert about.keys() == {
        (good.id, "started"),
        (good.id, "finished"),
        (bad.id, "started"),
        (bad.id, "failed"),
    }
    for line in about.values():
        assert line["queue"] == "default"
        assert re.fullmatch(UUID, line["worker"])
    assert about[good.id, "started"]["func"] == "tests.support.actions.act_once"
    workers = [line for line in said if line["message"].startswith("Worker ")]
    assert len(workers) == 2
    assert all(re.fullmatch(UUID, line["worker"]) for line in workers)
    assert 0.05 <= about[good.id, "finished"]["duration"] < 5
    assert 0 <= about[bad.id, "failed"]["duration"] < 5


def test_a_json_line_about_a_run_names_its_task_whoever_writes_it(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    with settings.override(DEFAULT_TASK_TIMEOUT=1):
        slow = Queue().enqueue_call(act_once, [["sleep", 60]])
    worker = start_worker("--burst", "--log-format", "json", wait=False)
    assert worker.wait_exit() == 0

    said = [json.loads(line) for line in worker.lines()]
    (line,) = [line for line in said if "over its limit" in line["message"]]

    assert line["logger"] == "redis_tasks.worker"
    assert (line["task_id"], line["func"]) == (slow.id, slow.func_name)
    assert line["queue"] == "default"
    assert re.fullmatch(UUID, line["worker"])


def test_a_quiet_worker_tells_only_what_is_wrong(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    Queue().enqueue_call(tasks.log_order, ["17"])
    bad = Queue().enqueue_call(tasks.raise_text, ["no"])
    worker = start_worker("--burst", "-q", wait=False)

    assert worker.wait_exit() == 0

    assert len(worker.lines()) == 1
    told = rf"Task tests\.outages\.tasks\.raise_text \[{bad.id}\] exception: ValueError: no"
    worker.wait_line(rf"WARN      redis_tasks\.task: {told}")


def test_no_secret_is_in_any_line(
    start_redis: StartServer,
    start_worker: StartWorker,
    ledger: Ledger,
    settings_for_test: dict[str, Any],
) -> None:
    server = start_redis(tcp=True, options={"requirepass": "tiger&lily"})
    url = server.url.replace("redis://", "redis://:tiger%26lily@")
    wrong = server.url.replace("redis://", "redis://:panther%26lily@")
    settings_for_test["REDIS_URL"] = url
    with settings.override(REDIS_URL=url):
        connection.reset()
        finishing = Queue().enqueue_call(tasks.use_secret, ["ann"], {"token": "hunter2"})
        failing = Queue().enqueue_call(tasks.fail_with_secret, ["ann", "hunter2"])
        refused = start_worker("-v", wait=False, REDIS_URL=wrong)
        worker = start_worker("-v")
        wait_for_status("finished", finishing)
        wait_for_status("failed", failing)
        assert refused.wait_exit() == 1
        server.stop()
        worker.wait_line("Redis is out of reach")
        worker.terminate()
        assert worker.wait_exit() == 0

    refused.wait_line("password")
    worker.wait_line(r"use_secret\('ann', token='\[redacted\]'\) .* finished")
    worker.wait_line(r"fail_with_secret\('ann', '\[redacted\]'\) .* failed")
    for secret in ("hunter2", "tiger", "panther", "lily"):
        assert secret not in worker.text() + refused.text()
