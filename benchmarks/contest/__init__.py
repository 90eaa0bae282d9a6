"""redis_tasks beside its peers, in one run on one machine."""
