"""How Sphinx builds the site: bin/docs."""  # noqa: INP001 - it is in no package

from importlib.metadata import version as version_of
from importlib.util import find_spec

project = "redis_tasks"
version = release = version_of("redis-tasks")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
html_theme = "furo"
html_title = f"redis_tasks {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
nitpicky = False

# Colons around what only Sphinx understands: GitHub shows the same pages.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
# What users see of a class stands with it; the pages link to sections of each other.
autodoc_member_order = "bysource"
autodoc_typehints = "description"
# The API can be read where what our adapters adapt is not installed.
autodoc_mock_imports = [
    name for name in ("opentelemetry", "pytest", "sentry_sdk") if find_spec(name) is None
]
