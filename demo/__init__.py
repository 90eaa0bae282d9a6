"""An app as a user of redis_tasks would write it."""
