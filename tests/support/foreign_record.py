"""Records as another program might write them."""

import itertools

import redis

from redis_tasks import Task, keys


def store(client: "redis.Redis", task_id: str = "foreign", **fields: str | bytes) -> Task:
    """Write a record with these fields, and return its task."""
    flat = list(itertools.chain.from_iterable(fields.items()))
    client.hset(keys.task(task_id), "_", "", items=flat)
    return Task.fetch(task_id)
