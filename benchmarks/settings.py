"""The settings of the benchmarks: all defaults but the server, and what a measurement asks for."""

import json
import os

REDIS_URL = os.environ["REDIS_URL"]

globals().update(json.loads(os.environ.get("BENCHMARK_SETTINGS", "{}")))
