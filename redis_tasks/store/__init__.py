"""Keep the state of all tasks in Redis."""
