"""Draw docs/trace.svg, the README's picture: what `clew trace` prints on a terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

from clew.attribution.trace import trace
from clew.cli.reports.graph import print_report
from clew.cli.settings import ReportSettings
from clew.dictionary.neurons import NeuronDictionary
from tests.real import real_model

PROMPT = "The capital of France is"


def main() -> None:
    model = real_model("smollm2")
    graph = trace(model, NeuronDictionary(model), PROMPT).prune()
    console = Console(record=True, width=96, markup=False, highlight=False, emoji=False, file=io.StringIO())
    print_report(console, graph, ReportSettings(top=10, paths=5))
    drawing = console.export_svg(title=f'clew trace "{PROMPT}"')
    # The template names a font on a distant host; any monospaced one will do.
    drawing = re.sub(r"@font-face \{.*?\}\s*", "", drawing, flags=re.DOTALL)
    Path("docs/trace.svg").write_text(drawing)


if __name__ == "__main__":
    main()
