"""The template as the platform runs it: in dynos that start, stop, overlap."""
