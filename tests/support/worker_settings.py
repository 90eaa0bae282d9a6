"""The settings of worker processes in tests: what RT_TEST_SETTINGS holds, as JSON."""

import json
import os

globals().update(json.loads(os.environ["RT_TEST_SETTINGS"]))
