"""Real workers meet a Redis, a system and data that misbehave."""
