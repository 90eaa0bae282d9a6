"""Give every setting its default value.

Each can be set in the settings module under the same name.
"""

# Redis
REDIS_URL = (
    "redis://127.0.0.1:6379"  # also rediss://, unix://, redis+sentinel://, redis+cluster://
)
REDIS_PREFIX = "redis_tasks"  # all keys begin with it; in a cluster a hash tag: "{redis_tasks}"
REDIS_TLS_VERIFY = "required"  # or "none" (accepts any certificate), or the path of a CA file

# Tasks
DEFAULT_TASK_TIMEOUT = 86400  # seconds a run may take unless @redis_task(timeout=) says otherwise
MAX_TASK_BYTES = 524288  # bytes of one task's encoded arguments, likewise of its meta
TASK_MODULES: list[str] | None = None  # dotted prefixes of what may run; None: see allowlist.py
MIDDLEWARE: list[str] = []  # import paths of middleware classes, the outermost first
MAX_CRASHES = 3  # crashed runs after which a reentrant task fails
MAX_RELEASES = 10  # times a task may be put back before it began, after which it fails

# What is kept of tasks that are over: all limits hold at once, the oldest go first
EXPIRING_REGISTRIES_TTL = 604800  # seconds
FINISHED_TASKS_MAX = 10_000  # tasks
FAILED_TASKS_MAX = 10_000  # tasks
REGISTRIES_MAX_BYTES: int | None = None  # bytes; None: 15 % of the server's maxmemory, else 64 MiB

# Statistics
STATISTICS = True  # whether the dashboard's counters are kept, of at most some 1.5 MB

# Workers
WORKER_HEARTBEAT_FREQ = 10  # seconds between two signs of life, at most a quarter of the next
WORKER_HEARTBEAT_TIMEOUT = 60  # seconds without a sign of life until a worker counts as dead
DEAD_WORKER_TTL = 3600  # seconds for which the record of a dead worker is kept
MAINTENANCE_FREQ = 60  # seconds between two rounds of clearing up
SHUTDOWN_TIMEOUT = 25  # seconds from SIGTERM to the worker's exit, below 30
SHUTDOWN_GRACE = 0  # seconds of these in which tasks run on undisturbed, at most 60 %
WORKHORSE_MAX_TASKS = 1000  # tasks after which a workhorse is replaced; 1: a fresh one each time
WORKHORSE_MAX_MEMORY: int | None = None  # bytes of resident memory above which it is replaced
WORKER_PRELOAD_FUNCTION: str | None = None  # import path, called once before the first fork
WORKER_DESCRIPTION_FUNCTION = "redis_tasks.worker_process.generate_worker_description"

# Scheduler
SCHEDULE: dict[str, object] = {}  # entries by name
SCHEDULER_QUEUE = "default"  # name of the queue for entries that name none
SCHEDULER_MAX_CATCHUP = 3600  # seconds for which missed ticks are made up
TIMEZONE = "UTC"  # IANA name of the zone in which schedules are written
