"""Show queues, workers, tasks to people in a browser."""

from dashboard.app import create_app

__all__ = ["create_app"]
