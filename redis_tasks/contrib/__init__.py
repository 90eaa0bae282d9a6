"""Hold the integrations with other libraries: redis_tasks itself imports none of them."""
