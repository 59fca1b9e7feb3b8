"""The site that `make docs-site` builds with Sphinx; its contents are the links of `index.md`."""

from __future__ import annotations

import re
from typing import Any

project = "clew"
extensions = ["myst_parser"]
myst_heading_anchors = 4  # as on GitHub, so that links with anchors work in both places
html_theme = "furo"
html_title = "clew"
html_show_copyright = False
exclude_patterns = ["_build"]
highlight_language = "text"  # for blocks that name no language
suppress_warnings = ["misc.highlighting_failure"]

LINK = re.compile(r"\]\(([\w/-]+)\.md\)")


def add_contents(app: Any, page: str, source: list[str]) -> None:
    """Give the index page the tree that Sphinx wants: one list for each heading above links."""
    if page != "index":
        return
    for section in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
        pages = "\n".join(LINK.findall(section))
        caption = section.partition("\n")[0]
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"


def setup(app: Any) -> None:
    app.connect("source-read", add_contents)
