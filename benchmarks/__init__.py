"""Measure redis_tasks on this machine; see README.md."""
