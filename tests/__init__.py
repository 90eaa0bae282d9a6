"""The tests of redis_tasks."""
