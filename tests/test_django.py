"""Django's settings, transactions, checks: in this process."""

import threading
from functools import partial
from typing import Any

import pytest

pytest.importorskip("django")

from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections, transaction
from django.test import override_settings

from redis_tasks import EnqueueFailed, Queue, Task, TWorker
from redis_tasks.conf import connection, settings
from redis_tasks.contrib.django import apps, configuration
from redis_tasks.exceptions import InvalidOperation
from tests.conftest import UseSettings
from tests.support.actions import act

pytestmark = pytest.mark.usefixtures("django_site")


class Undone(Exception):
    """Rolls back the block that it leaves."""


@pytest.fixture
def calls() -> list[str]:
    return []


# ---- Settings


def test_settings_that_begin_with_rt_are_redis_tasks_settings() -> None:
    with override_settings(RT_MAX_CRASHES=7, RT_DEFAULT_TASK_TIMEOUT=60):
        within = settings.MAX_CRASHES, settings.DEFAULT_TASK_TIMEOUT

    assert within == (7, 60)
    assert settings.MAX_CRASHES == 3


def test_overridden_settings_may_be_nested() -> None:
    with override_settings(RT_MAX_CRASHES=7):
        with override_settings(RT_MAX_CRASHES=8, RT_MAX_RELEASES=1):
            inner = settings.MAX_CRASHES, settings.MAX_RELEASES
        outer = settings.MAX_CRASHES, settings.MAX_RELEASES

    assert inner == (8, 1)
    assert outer == (7, 10)


def test_the_time_zone_of_the_project_is_that_of_schedules() -> None:
    assert settings.TIMEZONE == "Europe/Berlin"
    with override_settings(RT_TIMEZONE="Asia/Tokyo"):
        assert settings.TIMEZONE == "Asia/Tokyo"


def test_the_package_of_the_settings_is_trusted() -> None:
    assert settings.module_name == "tests.django_site.settings"


def test_the_projects_own_middleware_stands_inside_of_ours() -> None:
    with override_settings(RT_MIDDLEWARE=["shop.Stopwatch"]):
        assert settings.MIDDLEWARE == [configuration.CONNECTIONS, "shop.Stopwatch"]
    with override_settings(RT_MIDDLEWARE=["shop.Stopwatch", configuration.CONNECTIONS]):
        assert settings.MIDDLEWARE == ["shop.Stopwatch", configuration.CONNECTIONS]


def test_being_ready_twice_changes_nothing() -> None:
    before = vars(settings).copy()

    apps.RedisTasksConfig.create("redis_tasks.contrib.django").ready()

    assert vars(settings) == before


def test_settings_from_elsewhere_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(configuration, "_applied", {})

        with pytest.raises(ImproperlyConfigured, match=r"call django.setup\(\) before"):
            configuration.apply()


def test_manage_py_check_names_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RT_SETTINGS_MODULE", "elsewhere")
    with override_settings(RT_MAX_CRASHES="7", RT_REDIS_URI="redis://x"):
        found = {m.id: m.msg for m in run_checks() if (m.id or "").startswith("redis_tasks")}

    assert found["redis_tasks.E001"].startswith("RT_MAX_CRASHES must be a whole number")
    assert found["redis_tasks.W001"].endswith("did you mean RT_REDIS_URL?")
    assert "RT_SETTINGS_MODULE is ignored" in found["redis_tasks.W002"]


# ---- Transactions


def test_a_task_is_enqueued_when_the_transaction_has_committed() -> None:
    with transaction.atomic():
        task = Queue().enqueue_call(act)
        within = task.status, task.origin, Queue().count()

    assert within == (None, None, 0)
    assert task.status == "queued"
    assert Queue().get_task_ids() == [task.id]


def test_without_a_transaction_a_task_is_enqueued_at_once() -> None:
    connections["default"].ensure_connection()

    assert Queue().enqueue_call(act).status == "queued"


def test_a_task_does_not_outlive_a_rollback() -> None:
    with pytest.raises(Undone), transaction.atomic():
        task = Queue().enqueue_call(act)
        raise Undone

    assert task.status is None
    assert Queue().count() == 0


def test_a_savepoint_that_is_rolled_back_takes_its_tasks_along() -> None:
    with transaction.atomic():
        before = Queue().enqueue_call(act)
        with pytest.raises(Undone), transaction.atomic():
            Queue().enqueue_call(act)
            raise Undone
        with transaction.atomic():
            after = Queue().enqueue_call(act)

    assert Queue().get_task_ids() == [before.id, after.id]


def test_on_commit_false_enqueues_at_once() -> None:
    with pytest.raises(Undone), transaction.atomic():
        single = Queue().enqueue_call(act, on_commit=False)
        many = Queue().enqueue_many([{"func": act}], on_commit=False)
        pushed = Task(act)
        Queue().push(pushed, on_commit=False)
        raise Undone

    assert Queue().get_task_ids() == [task.id for task in (single, *many, pushed)]


def test_many_tasks_and_pushed_ones_wait_for_the_commit_too() -> None:
    with transaction.atomic():
        many = Queue().enqueue_many([{"func": act}, {"func": act}])
        pushed = Task(act)
        pushed.meta["note"] = 1
        Queue().push(pushed, at_front=True)
        pushed.meta["note"] = 2
        assert Queue().count() == 0

    assert Queue().get_task_ids() == [task.id for task in (pushed, *many)]
    assert Task.fetch(pushed.id).meta == {"note": 2}


def test_wrong_arguments_are_told_at_the_call_not_at_the_commit() -> None:
    stored = Queue().enqueue_call(act)
    with transaction.atomic():
        with pytest.raises(TypeError, match="object"):
            Queue().enqueue_call(act, [object()])
        with pytest.raises(ValueError, match="may not run"):
            Queue().enqueue_many([{"func": act}, {"func": Undone}])
        with pytest.raises(InvalidOperation, match="was enqueued already"):
            Queue().push(stored)

    assert Queue().get_task_ids() == [stored.id]


def test_a_pipeline_waits_for_nothing() -> None:
    with pytest.raises(Undone), transaction.atomic():
        pipeline = connection.pipeline()
        Queue().enqueue_call(act, pipeline=pipeline)
        pipeline.execute()
        raise Undone

    assert Queue().count() == 1


@pytest.mark.parametrize("outer", ["default", "other"])
def test_a_task_waits_for_all_databases_whose_transaction_is_open(outer: str) -> None:
    inner = {"default": "other", "other": "default"}[outer]
    with transaction.atomic(using=outer):
        with transaction.atomic(using=inner):
            Queue().enqueue_call(act)
        after_the_first = Queue().count()

    assert after_the_first == 0
    assert Queue().count() == 1


@pytest.mark.parametrize("undone", ["default", "other"])
def test_a_rollback_of_one_database_is_enough(undone: str) -> None:
    fine = {"default": "other", "other": "default"}[undone]
    with (
        transaction.atomic(using=fine),
        pytest.raises(Undone),
        transaction.atomic(using=undone),
    ):
        Queue().enqueue_call(act)
        raise Undone

    assert Queue().count() == 0


def test_a_task_may_wait_for_one_database_alone() -> None:
    with transaction.atomic(using="default"):
        at_once = Queue().enqueue_call(act, on_commit="other")
        with transaction.atomic(using="other"):
            Queue().enqueue_call(act, on_commit="other")
            within = Queue().get_task_ids()
        after = Queue().count()

    assert within == [at_once.id]
    assert after == 2


def test_another_threads_transaction_is_not_ours() -> None:
    with transaction.atomic():
        thread = threading.Thread(target=partial(Queue().enqueue_call, act))
        thread.start()
        thread.join()

        assert Queue().count() == 1


def test_what_is_enqueued_by_a_hook_of_the_commit_is_enqueued_at_once(calls: list[str]) -> None:
    def hook() -> None:
        calls.append(str(Queue().enqueue_call(act).status))

    with transaction.atomic():
        transaction.on_commit(hook)

    assert calls == ["queued"]


def test_an_error_of_sending_comes_out_of_the_block_whose_data_are_committed(
    use_settings: UseSettings,
) -> None:
    from tests.django_site.models import Row

    use_settings(REDIS_URL="redis://127.0.0.1:1")

    with pytest.raises(EnqueueFailed) as failed, transaction.atomic():
        Row.objects.create(text="kept")
        task = Queue().enqueue_call(act)

    assert failed.value.task_id == task.id
    assert task.status is None
    assert Row.objects.filter(text="kept").exists()


def test_a_test_case_of_django_runs_what_waits_for_its_commit(calls: list[str]) -> None:
    from django.test import TestCase

    with transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True):
            task = Queue().enqueue_call(act)
            calls.append(str(task.status))
        calls.append(str(task.status))

    assert calls == ["None", "queued"]
    assert Queue().count() == 1


# ---- Connections


def test_connections_are_closed_when_a_task_is_over() -> None:
    from tests.django_site.models import Row
    from tests.django_site.tasks import write

    Queue().enqueue_call(write, ["a"])
    TWorker().run()

    assert connections["default"].connection is None
    assert Row.objects.get().text == "a"


def test_persistent_connections_outlive_a_success_not_a_failure() -> None:
    from tests.django_site.tasks import fail_in_database, write

    default = connections["default"]
    default.settings_dict["CONN_MAX_AGE"] = None
    try:
        Queue().enqueue_call(write, ["a"])
        TWorker().run()
        kept = default.connection
        Queue().enqueue_call(fail_in_database, ["b"])
        TWorker().run(raise_on_failure=False)
    finally:
        default.settings_dict["CONN_MAX_AGE"] = 0

    assert kept is not None
    assert default.connection is None


def test_a_block_that_was_never_left_does_not_swallow_the_next_tasks_writes() -> None:
    from tests.django_site.models import Row
    from tests.django_site.tasks import enter_without_leaving, write

    Queue().enqueue_call(enter_without_leaving, ["lost"])
    Queue().enqueue_call(write, ["kept"])
    TWorker().run(raise_on_failure=False)

    connections["default"].close()
    assert [row.text for row in Row.objects.all()] == ["kept"]


def test_the_transaction_around_a_test_survives_its_tasks() -> None:
    from tests.django_site.models import Row
    from tests.django_site.tasks import write

    with pytest.raises(Undone), transaction.atomic():
        Queue().enqueue_call(write, ["a"], on_commit=False)
        Queue().enqueue_call(act, [["raise_error", "no"]], on_commit=False)
        TWorker().run(raise_on_failure=False)
        seen = Row.objects.filter(text="a").exists()
        raise Undone

    assert seen
    assert not Row.objects.exists()


# ---- manage.py, called from code


def test_call_command_calls_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    Queue("mail").enqueue_call(act)

    call_command("redis_tasks", "empty", "mail", "--yes")

    assert capsys.readouterr().out == "mail: 1 task deleted\n"


def test_without_an_integration_the_name_of_a_database_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from redis_tasks import hooks

    monkeypatch.setattr(hooks, "hold", None)
    call: Any = partial(Queue().enqueue_call, act)

    with pytest.raises(ValueError, match="no integration knows any"):
        call(on_commit="default")
    assert call(on_commit=True).status == "queued"
