"""A middleware module that ends the process, as a script without a guard does."""

import sys

sys.exit("usage: exiting.py FILE")
