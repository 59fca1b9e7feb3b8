"""Known vulnerabilities of what clew is tested with: `python -m tools.audit`, where the network allows it.

`pip-audit` looks up `constraints.txt`, and `npm audit` the page's lock file. Exit code 1 for a vulnerability
that has no exception here, 2 where nothing could be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Found: TypeAlias = list[tuple[str, str]]
ROOT = Path(__file__).parents[1]
EXCEPTIONS: dict[str, str] = {}
"""Ids of vulnerabilities that do not reach clew, each with the reason."""
PIP = [
    *(sys.executable, "-m", "pip_audit", "--requirement", "constraints.txt"),
    *("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"),
]
NPM = [sys.executable, "web/npm.py", "audit", "--json"]


def main() -> int:
    found = [*look_up(PIP, of_pip), *look_up(NPM, of_npm)]
    if new := [line for key, line in found if key not in EXCEPTIONS]:
        print("\n".join(new))
        return 1
    print(f"No known vulnerability but {len(EXCEPTIONS)} named ones.")
    return 0


def look_up(command: list[str], read: Callable[[Mapping[str, Any]], Found]) -> Found:
    """Ids and lines of what a tool found; exits with 2 where it could not look."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    try:
        return read(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError) as error:
        print(f"{command[2]} could not look up anything ({error}):\n{done.stderr[-2000:]}", file=sys.stderr)
        raise SystemExit(2) from error


def of_pip(report: Mapping[str, Any]) -> Found:
    """The vulnerabilities in a report of pip-audit; `ValueError` where it skipped packages."""
    packages = report["dependencies"]
    if skipped := [each["name"] for each in packages if "skip_reason" in each]:
        raise ValueError(f"{len(skipped)} packages were not found, such as {skipped[0]}")
    return [
        (hole["id"], f"{each['name']} {each['version']}: {hole['id']}, mended in {hole['fix_versions']}")
        for each in packages
        for hole in each["vulns"]
    ]


def of_npm(report: Mapping[str, Any]) -> Found:
    """The vulnerabilities in a report of npm audit."""
    return [
        (str(hole["source"]), f"{name}: {hole['title']} ({hole['url']})")
        for name, each in report["vulnerabilities"].items()
        for hole in each["via"]
        if isinstance(hole, dict)
    ]


if __name__ == "__main__":
    sys.exit(main())
