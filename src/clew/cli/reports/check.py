"""The report of `clew check`: a line for each finding, and what to do where one failed."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from clew.cli.terminal import print_indented, print_title, readable, table
from clew.model_check.findings import Finding, ModelCheck

WIDEST = 100
"""Cells of a line; a terminal may be wider."""


def print_check(console: Console, result: ModelCheck, seconds: float) -> None:
    """Print all findings, then a line that sums them up."""
    console.width = min(console.width, WIDEST)
    console.print(Text(f"{readable(result.model)} with {readable(result.dictionary)}", style="bold"))
    rows = table("", "", "", "", no_wrap=(0, 3))
    rows.columns[1].overflow = "fold"  # a path is of use only as a whole
    for finding in result.findings:
        style = "bold red" if finding.ok is False else ""
        rows.add_row(
            Text(finding.name, style="dim"),
            readable(finding.value),
            finding.bound,
            _state(finding),
            style=style,
        )
    print_indented(console, rows)
    for finding in result.failures:
        print_title(console, f"{finding.name} failed")
        print_indented(console, readable(finding.remedy))
    for reason, names in _not_measured(result).items():
        print_title(console, f"Not measured: {', '.join(names)}")
        print_indented(console, readable(reason))
    count = sum(
        finding.ok is False or (bool(finding.bound) and finding.ok is True) for finding in result.findings
    )
    console.print()
    console.print(Text(_verdict(result, count, seconds), style="bold"))


def _state(finding: Finding) -> str:
    if finding.ok is None:
        return "-"
    if finding.ok:
        return "ok" if finding.bound else ""
    return "FAIL"


def _not_measured(result: ModelCheck) -> dict[str, list[str]]:
    """Names of findings by the reason why they were not measured."""
    reasons: dict[str, list[str]] = {}
    for finding in result.findings:
        if finding.ok is None:
            reasons.setdefault(finding.remedy, []).append(finding.name)
    return reasons


def _verdict(result: ModelCheck, count: int, seconds: float) -> str:
    if result.ok:
        return f"All {count} checks are ok ({seconds:.0f} s)."
    names = ", ".join(finding.name for finding in result.failures)
    return f"{len(result.failures)} of {count} checks failed: {names} ({seconds:.0f} s)."
