"""The whole loop of a person, with whatever `clew` this Python finds: serve, trace, annotate, export, import.

Run in a process without a network: `python offline_loop.py LIBRARY CHROMIUM`. Prints a line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Page, expect, sync_playwright

PROMPT = "The capital of France is"


class Clew:
    """`clew serve` on a library of its own."""

    def __init__(self, library: Path) -> None:
        serve = ["serve", "--port", "0", "--no-open", "--library", str(library)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "clew.cli.main", *serve],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().removeprefix("clew is at ").strip().rstrip("/")

    def asked(self, path: str, body: bytes | None = None) -> bytes:
        with urlopen(Request(f"{self.url}/api{path}", data=body)) as answer:
            return answer.read()

    def facts(self, graph: str) -> list[Any]:
        entry = json.loads(self.asked(f"/graphs/{graph}"))
        return [entry[name] for name in ("prompt", "model", "answer", "nodes", "edges", "scores")]

    def annotations(self, graph: str) -> dict[str, Any]:
        return json.loads(self.asked(f"/graphs/{graph}/annotations"))["values"]


def traced(page: Page, clew: Clew) -> str:
    """A new graph, made on the page; its id."""
    page.goto(f"{clew.url}/#/new")
    page.get_by_label("Prompt").fill(PROMPT)
    page.get_by_role("button", name="Trace").click()
    page.wait_for_url("**/#/g/**", timeout=150_000)
    page.get_by_role("group", name="Story of the graph").wait_for(timeout=30_000)
    return page.url.split("#/g/")[1].partition("?")[0]


def annotated(page: Page) -> None:
    """Label, pin and group what is most influential, by keyboard."""
    page.keyboard.press("2")
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("l")
    page.get_by_role("textbox", name="Label").fill("the first word")
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    page.keyboard.press("g")
    page.get_by_role("textbox", name="Name of the group").fill("beginnings")
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Group beginnings")).to_be_visible()


def shown(page: Page) -> str:
    """The part of their own work that a person sees after a reload."""
    page.reload()
    page.get_by_role("tab", name="Groups").click()
    expect(page.get_by_role("group", name="Group beginnings")).to_be_visible()
    return page.get_by_role("region", name="Groups").inner_text()


def without_ids(values: dict[str, Any]) -> list[Any]:
    """Groups get new ids in another library."""
    return sorted(
        json.dumps([key if not key.startswith("group:") else "group", value]) for key, value in values.items()
    )


def main() -> None:
    library, chromium = Path(sys.argv[1]), sys.argv[2]
    clew, other = Clew(library / "one"), Clew(library / "other")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page()
            page.add_init_script("try { localStorage.setItem('clew-tour-seen', 'yes') } catch {}")
            graph = traced(page, clew)
            annotated(page)
            before = shown(page)
            exported = clew.asked(f"/graphs/{graph}/export?format=clew")
            imported = json.loads(other.asked("/graphs", exported))["id"]
            page.goto(f"{other.url}/#/g/{imported}")
            after = shown(page)
            browser.close()
        found = {
            "same_annotations": without_ids(clew.annotations(graph))
            == without_ids(other.annotations(imported)),
            "same_page": before == after,
            "annotations": len(other.annotations(imported)),
            "same_graph": clew.facts(graph) == other.facts(imported),
        }
        print(json.dumps(found))
    finally:
        clew.process.terminate()
        other.process.terminate()


if __name__ == "__main__":
    main()
