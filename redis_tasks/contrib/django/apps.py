"""Connect redis_tasks to a Django project as it starts."""

from django.apps import AppConfig
from django.core import checks
from django.core.signals import setting_changed

from redis_tasks import hooks
from redis_tasks.contrib.django import configuration, connections, system_checks, transactions


class RedisTasksConfig(AppConfig):
    """The app ``redis_tasks.contrib.django``."""

    name = "redis_tasks.contrib.django"
    label = "redis_tasks"
    verbose_name = "Redis tasks"

    def ready(self) -> None:
        """Take Django's settings, register the hooks; called again it changes nothing."""
        configuration.apply()
        setting_changed.connect(configuration.follow, dispatch_uid="redis_tasks")
        checks.register(system_checks.check_settings)
        hooks.hold = transactions.hold
        if connections.close_all not in hooks.before_fork:
            hooks.before_fork.append(connections.close_all)
