"""Django's own tasks framework, run by redis_tasks."""

from typing import Any

import pytest

pytest.importorskip("django")

from django.db import transaction

from redis_tasks import Queue, Task, TWorker

pytestmark = pytest.mark.usefixtures("django_site")


@pytest.fixture
def tasks() -> Any:
    from tests.django_site import framework_tasks

    framework_tasks.seen.clear()
    return framework_tasks


def test_a_task_of_the_framework_is_run_as_itself(tasks: Any) -> None:
    result = tasks.add.enqueue(1, number=(2, 3))

    record = Task.fetch(result.id)
    TWorker(["mail"]).run()

    assert record.description == "tests.django_site.framework_tasks.add(1, number=[2, 3])"
    assert record.origin == "mail"
    assert (result.status, result.enqueued_at) == ("READY", record.enqueued_at)
    assert tasks.seen == [(1, [2, 3])]


def test_the_context_tells_of_the_run(tasks: Any) -> None:
    result = tasks.tell_context.enqueue("a")

    TWorker().run()

    assert tasks.seen == [(result.id, 1, "RUNNING", "a")]


def test_a_coroutine_function_is_awaited(tasks: Any) -> None:
    tasks.add_later.enqueue(1)

    TWorker().run()

    assert tasks.seen == [1]


def test_what_only_we_know_is_said_by_our_decorator(tasks: Any) -> None:
    plain, marked = tasks.add.enqueue(1), tasks.keep_secret.enqueue("hunter2")

    assert not Task.fetch(plain.id).is_reentrant
    assert Task.fetch(marked.id).is_reentrant
    assert Task.fetch(marked.id).timeout == 60
    assert "hunter2" not in Task.fetch(marked.id).description


def test_signals_tell_how_it_went(tasks: Any) -> None:
    told: list[tuple[str, str]] = []

    def note(signal: Any, task_result: Any, **_: Any) -> None:
        told.append((names[signal], str(task_result.status)))

    names = {tasks.signals.task_enqueued: "enqueued", tasks.signals.task_started: "started"}
    names[tasks.signals.task_finished] = "finished"
    for signal in names:
        signal.connect(note)
    try:
        tasks.add.enqueue(1)
        tasks.fail.enqueue()
        worker = TWorker(["mail", "default"])
        worker.run(raise_on_failure=False)
    finally:
        for signal in names:
            signal.disconnect(note)

    assert told == [
        ("enqueued", "READY"),
        ("enqueued", "READY"),
        ("started", "RUNNING"),
        ("finished", "SUCCESSFUL"),
        ("started", "RUNNING"),
        ("finished", "FAILED"),
    ]
    assert "no such thing" in (worker.failed[0].error_message or "")


@pytest.mark.parametrize("name", ["quote", "quote_later"])
def test_a_secret_that_an_error_quotes_is_not_told(
    name: str, tasks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def note(task_result: Any, **_: Any) -> None:
        told.extend(error.traceback for error in task_result.errors)

    caplog.set_level("DEBUG")
    tasks.signals.task_finished.connect(note)
    try:
        getattr(tasks, name).enqueue("hunter2")
        TWorker().run(raise_on_failure=False)
    finally:
        tasks.signals.task_finished.disconnect(note)

    (traceback,) = told
    assert "ValueError: wrong: [redacted]" in traceback
    assert "FAILED" in caplog.text
    assert "hunter2" not in caplog.text


def test_it_waits_for_the_commit_unless_the_backend_is_told_not_to(tasks: Any) -> None:
    with transaction.atomic():
        waiting = tasks.add.enqueue(1)
        at_once = tasks.add.using(backend="at-once", queue_name="any").enqueue(1)
        within = waiting.enqueued_at, at_once.enqueued_at, Queue("mail").count()

    assert within[0] is None
    assert within[1] is not None
    assert within[2] == 0
    assert waiting.enqueued_at is not None
    assert Queue("mail").get_task_ids() == [waiting.id]
    assert Queue("any").get_task_ids() == [at_once.id]


def test_what_the_backend_cannot_do_is_refused(tasks: Any) -> None:
    from datetime import UTC, datetime

    for change in ({"priority": 5}, {"run_after": datetime.now(UTC)}, {"queue_name": "unknown"}):
        with pytest.raises(tasks.InvalidTask):
            tasks.add.using(**change)
    with pytest.raises(TypeError):
        tasks.add.enqueue(object())
    with pytest.raises(NotImplementedError, match="does not support retrieving"):
        tasks.add.get_result("some id")


def test_task_modules_decide_about_them_as_about_functions(tasks: Any, use_settings: Any) -> None:
    use_settings(TASK_MODULES=["tests.django_site"])
    tasks.add.enqueue(1)
    TWorker(["mail"]).run()
    use_settings(TASK_MODULES=["elsewhere"])

    assert tasks.seen == [(1, None)]
    with pytest.raises(ValueError, match="TASK_MODULES"):
        tasks.add.enqueue(1)
