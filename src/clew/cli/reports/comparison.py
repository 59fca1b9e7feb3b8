"""The report of `clew compare`: sentences, and a table of features with a column for each graph."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from clew.cli.terminal import cut, print_indented, print_title, readable, table, token
from clew.graph.feature_table import FeatureTable

WIDEST_LABEL = 40


def print_comparison(console: Console, features: FeatureTable, sentences: Sequence[str]) -> None:
    """Print which graphs these are, what they share, and their most influential features."""
    print_title(console, f"{len(features.prompts)} graphs")
    names = table("", "", "")
    for number, (prompt, answer) in enumerate(zip(features.prompts, features.answers, strict=True), 1):
        names.add_row(f"({number})", token(prompt), f"→ {token(answer)}" if answer else "")
    print_indented(console, names)
    for sentence in sentences:
        console.print()
        print_indented(console, readable(sentence))
    counts = [
        f"{count:,} in {'all' if number == len(features.prompts) else number}"
        for number, count in reversed(list(enumerate(features.in_so_many, 1)))
    ]
    print_title(console, "Features by influence", f"{', '.join(counts)}")
    columns = [f"({number})" for number in range(1, len(features.prompts) + 1)]
    rows = table(
        "feature", *columns, "label", right=range(1, len(columns) + 1), no_wrap=range(len(columns) + 1)
    )
    for row in features.rows:
        shares = [
            "" if node is None else f"{share:.1%}"
            for node, share in zip(row.nodes, row.influence, strict=True)
        ]
        rows.add_row(str(row.feature), *shares, cut(readable(row.label), WIDEST_LABEL))
    print_indented(console, rows)
