"""How gunicorn serves the dashboard: everything the web process needs stands here.

Older generations of Heroku set some of this by environment variables, newer ones none of it.
"""

import gc
import os
import signal

# A platform says which port; without one, only this machine is to reach it.
bind = f"0.0.0.0:{os.environ['PORT']}" if "PORT" in os.environ else "127.0.0.1:5000"

# Two processes fit a dyno of 512 MB. Each holds at most two connections to Redis.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 8
# Loaded once, before the processes are forked: they share its memory, and where nothing says who
# may see the dashboard, gunicorn ends with that sentence, once.
preload_app = True

# The router keeps idle connections for 90 s: whoever closes first must not be us.
keepalive = 95
# A dyno is killed 30 s after SIGTERM: answers under way have less than that.
graceful_timeout = 20

# Nobody but the router reaches a dyno, so what it says about the client is believed.
forwarded_allow_ips = "*"
# It passes on whatever a client sends: no header of that kind names a user or a path.
forwarder_headers = ""
# gunicorn's control socket would be a file that nobody uses.
control_socket_disable = True

# A filter stands in the address, each letter of a foreign script as up to twelve bytes.
limit_request_line = 8190

# A single line for each request, on standard output.
accesslog = "-"


def when_ready(_server: object) -> None:
    """Keep the garbage collector away from what the app has loaded, before the processes fork.

    It would look through all of it every few requests, each time for longer than a page takes,
    and copy the memory that the processes share.
    """
    gc.collect()
    gc.freeze()


def on_exit(_server: object) -> None:
    """Let a SIGTERM that comes late not make a good end look like another."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
