"""The fault matrix: real workers, real signals, a real redis-server.

Every test is a cell or a few of it. Parameters are named so that a part can be chosen:
``pytest tests/faults -k "sigkill and reentrant"``, ``-k "sigterm_to_all and once"``.
"""
