"""A graph as one HTML file: the page's script, style and fonts, and the graph's bytes."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

from clew.errors import ClewError
from clew.plain_text import visible
from clew.server.errors import RequestError
from clew.server.page_files import PageFile

SCRIPT = re.compile(r'<script\b[^>]*\bsrc="([^"]+)"[^>]*>\s*</script>')
LINK = re.compile(r'<link\b[^>]*\bhref="([^"]+)"[^>]*>')
ADDRESS = re.compile(r"""url\(\s*["']?(/[^"')]+|\.{0,2}/?[^"'):]+)["']?\s*\)""")


def html_file(page: Mapping[str, PageFile], graph: bytes, document: Any, name: str) -> bytes:
    """The built page with everything inside it; `document` is JSON that the page reads beside the graph.

    The file's policy allows the page's own script alone to run, and no request to any server. Raises
    `ClewError` where the page is not built.
    """
    if "/index.html" not in page:
        raise RequestError(
            409,
            "The page is not built here, so a graph cannot be exported as HTML. Install clew from its wheel.",
        )
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    scripts: list[str] = []

    def script(match: re.Match[str]) -> str:
        text = _plain_lines(_text(page, match[1]))
        text = re.sub(r"<(?=/script|script|!--)", r"\\x3C", text, flags=re.IGNORECASE)
        scripts.append(f'<script type="module">{_hashed(text, hashes["script"])}</script>')
        return ""

    def link(match: re.Match[str]) -> str:
        if "stylesheet" in match[0]:
            text = re.sub("</(?=style)", r"<\\/", _with_files(page, match[1]), flags=re.IGNORECASE)
            return f"<style>{_hashed(_plain_lines(text), hashes['style'])}</style>"
        return match[0].replace(match[1], _data_url(_file(page, match[1])))

    text = _plain_lines(_text(page, "/index.html"))
    text = LINK.sub(link, SCRIPT.sub(script, text))
    policy = (
        f"default-src 'none'; script-src {_sources(hashes['script'])}; "
        f"style-src {_sources(hashes['style'])}; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    title = f"<title>{html.escape(visible(name))} · clew</title>"
    text = re.sub(r"<title>.*?</title>", lambda _: title, text, count=1, flags=re.DOTALL)
    text = re.sub(r"<head\b[^>]*>", lambda match: match[0] + meta, text, count=1)
    text_of_document = json.dumps(document, allow_nan=False)
    data = [_data_block("clew-graph", graph), _data_block("clew-document", text_of_document.encode())]
    end = "".join([*data, *scripts])
    return text.replace("</body>", f"{end}</body>", 1).encode()


def _data_block(name: str, content: bytes) -> str:
    """Bytes as the page reads them, deflated with zlib's header: less than half as long."""
    text = _base64(zlib.compress(content, 9))
    return f'<script type="application/octet-stream" id="{name}">{text}</script>'


def _with_files(page: Mapping[str, PageFile], name: str) -> str:
    """A style sheet with its fonts and pictures inside it."""
    folder = name.rpartition("/")[0]

    def inside(match: re.Match[str]) -> str:
        address = match[1] if match[1].startswith("/") else f"{folder}/{match[1].removeprefix('./')}"
        return f"url({_data_url(_file(page, address))})"

    return ADDRESS.sub(inside, _text(page, name))


def _file(page: Mapping[str, PageFile], name: str) -> PageFile:
    """A file of the page; `./x` and `x` are `/x`, where the page itself lies."""
    file = page.get(f"/{name.removeprefix('.').removeprefix('/')}")
    if file is None:
        raise ClewError(f"The built page lacks its file {name}; build it again.")
    return file


def _text(page: Mapping[str, PageFile], name: str) -> str:
    return _file(page, name).content.decode("utf-8")


def _data_url(file: PageFile) -> str:
    return f"data:{file.type.replace(' ', '')};base64,{_base64(file.content)}"


def _plain_lines(text: str) -> str:
    """The text with the line ends that a browser reads; the hash must match those."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _hashed(text: str, hashes: list[str]) -> str:
    hashes.append(_base64(hashlib.sha256(text.encode()).digest()))
    return text


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _sources(hashes: list[str]) -> str:
    return " ".join(f"'sha256-{value}'" for value in hashes) or "'none'"
