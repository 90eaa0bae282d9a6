"""A middleware module that cannot be imported."""

msg = "no such\nlicence"
raise RuntimeError(msg)
