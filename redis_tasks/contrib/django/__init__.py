"""Let a Django project use redis_tasks: add ``redis_tasks.contrib.django`` to INSTALLED_APPS."""
