"""Draw docs/trace.svg, the README's picture: what `clew trace` prints on a terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

import clew
from clew.cli.reports.graph import print_report
from clew.cli.settings import ReportSettings
from clew.index.labels.graph_features import with_index_labels

PROMPT = "The capital of France is"


def main() -> None:
    graph = with_index_labels(clew.load("smollm2").trace(PROMPT).prune())
    console = Console(record=True, width=96, markup=False, highlight=False, emoji=False, file=io.StringIO())
    print_report(console, graph, ReportSettings(top=10, paths=5))
    drawing = console.export_svg(title=f'clew trace "{PROMPT}"')
    # The template names a font on a distant host; any monospaced one will do.
    drawing = re.sub(r"@font-face \{.*?\}\s*", "", drawing, flags=re.DOTALL)
    Path("docs/trace.svg").write_text(drawing)


if __name__ == "__main__":
    main()
