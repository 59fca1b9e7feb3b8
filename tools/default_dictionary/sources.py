"""Texts from the unpacked packages: one function for each kind of file, which gives documents."""

from __future__ import annotations

import bz2
import calendar
import gzip
import html
import json
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.default_dictionary.quizzes import quiz_sentences


def dictionary(file: Path) -> Iterator[str]:
    """Entries of a dictd file, without marks of pronunciation and links."""
    text = gzip.decompress(file.read_bytes()).decode("utf-8", errors="replace")
    for entry in re.split(r"\n(?=\S)", text):
        head, _, body = entry.partition("\n")
        if not body.strip() or head.startswith("00-database"):
            continue
        head = re.sub(r"\\.*?\\|/[^/]*/|<[^>]*>|\s+\([^)]*\)", "", head).strip()
        body = re.sub(r"\\.*?\\|\[[^\]]*\]|[{}]", "", body)
        body = re.sub(r"^\s*(n|v|adj|adv|s)\s+(1:)?", "", body)
        yield f"{head}: {unwrapped(body)}"


def translations(file: Path) -> Iterator[str]:
    """The words of a dictd file of two languages, each with its first translations."""
    text = gzip.decompress(file.read_bytes()).decode("utf-8", errors="replace")
    for word, meaning in re.findall(r"^(\S[^/\n]*?) /[^/\n]*/.*\n(.+)$", text, re.M):
        yield f"{word} = {re.sub(r'^1[.] ', '', meaning)}"


def wordnet(file: Path) -> Iterator[str]:
    """Each sense of a word of WordNet as a sentence of its own."""
    text = gzip.decompress(file.read_bytes()).decode("utf-8", errors="replace")
    for entry in re.split(r"\n(?=\S)", text):
        head, _, body = entry.partition("\n")
        if head.startswith("00-database"):
            continue
        body = re.sub(r"\[(syn|ant):.*?\]", "", unwrapped(body))
        for sense in re.split(r"(?:^|\s)(?:(?:n|v|adj|adv)\s+)?\d*\s?:\s", body):
            if len(sense) > 12 and not re.fullmatch(r"(n|v|adj|adv)\s*\d*", sense.strip()):
                yield f"{head}: {re.sub(r' (n|v|adj|adv)$', '', sense.strip())}"


def sayings(file: Path) -> Iterator[str]:
    """The entries of a file for `fortune`."""
    yield from (entry.strip() for entry in file.read_text(encoding="utf-8").split("\n%\n"))


def page(file: Path) -> Iterator[str]:
    """An HTML page's headings, paragraphs, list entries and programs, as one document."""
    text = file.read_text(encoding="utf-8", errors="replace")
    text = re.sub(r"<(script|style|head|nav)\b.*?</\1>", "", text, flags=re.S)
    blocks = []
    for tag, block in re.findall(r"<(h[1-4]|p|li|pre|dd)\b[^>]*>(.*?)</\1>", text, re.S):
        plain = html.unescape(re.sub(r"<[^>]+>", "", block)).replace("¶", "").replace("\xb6", "")
        plain = plain.strip("\n") if tag == "pre" else unwrapped(plain)
        if len(plain) > 20:
            blocks.append(plain)
    yield "\n\n".join(blocks)


def marked_up(file: Path) -> Iterator[str]:
    """The paragraphs of an XML help page."""
    text = file.read_text(encoding="utf-8", errors="replace")
    blocks = re.findall(r"<(p|para|title)>(.*?)</\1>", text, re.S)
    yield "\n\n".join(unwrapped(html.unescape(re.sub(r"<[^>]+>", "", block))) for _, block in blocks)


def pod(file: Path) -> Iterator[str]:
    """A Perl manual without its marks."""
    text = file.read_text(encoding="utf-8", errors="replace")
    text = re.sub(r"[A-Z]<+\s?(.*?)\s?>+", r"\1", text)
    text = re.sub(r"^=\w+ ?\*?", "", text, flags=re.M)
    yield text


def plain(file: Path) -> Iterator[str]:
    """A text file, packed or not, as one document."""
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    yield data.decode("utf-8", errors="replace")


def program(file: Path) -> Iterator[str]:
    """The parts of a program that begin at the margin behind an empty line."""
    text = file.read_text(encoding="utf-8", errors="replace")
    text = text[text.find("*/") + 2 :] if file.suffix == ".h" else text
    yield from re.split(r"\n\n+(?=(?:class|def|sub|from|import|async|extern|#if|typedef|struct)\b)", text)


def descriptions(file: Path) -> Iterator[str]:
    """The entries of Dungeon Crawl's descriptions and quotes."""
    for entry in file.read_text(encoding="utf-8").split("%%%%"):
        head, _, body = entry.strip().partition("\n")
        if not head.startswith(("#", "_", ":")) and "{{" not in body and "@" not in body:
            yield paragraphs(body)


def passages(file: Path) -> Iterator[str]:
    """The quotations in NetHack's data."""
    text = file.read_bytes().decode("latin-1")
    for block in re.findall(r"(?:[ -~]{20,}\n){2,}", text):
        if len(re.findall(r"[a-z]+", block)) > len(block) / 9:
            yield unwrapped(block)


def scenes(file: Path) -> Iterator[str]:
    """The spoken lines and stories of a scenario of Wesnoth, in their order."""
    text = file.read_text(encoding="utf-8", errors="replace")
    lines = []
    for speaker, line in re.findall(r'(?:speaker=(\w+)\s*)?(?:message|story)\s*=\s*_\s*"([^"]+)"', text):
        line = unwrapped(re.sub(r"<[^>]+>", "", line))
        named = speaker and speaker not in ("narrator", "unit", "second_unit")
        lines.append(f"{speaker.replace('_', ' ')}: {line}" if named else line)
    yield "\n".join(lines)


def conversations(file: Path) -> Iterator[str]:
    """The conversations and descriptions of Endless Sky, a mission each."""
    for part in re.split(r"\n(?=\S)", file.read_text(encoding="utf-8", errors="replace")):
        lines = [a or b for a, b in re.findall(r'`([^`]{30,})`|"([^"\n]{60,})"', part)]
        yield "\n".join(re.sub(r"<([^>]+)>", r"\1", line).strip() for line in lines)


def days(file: Path) -> Iterator[str]:
    """The events of a calendar, a sentence each."""
    text = file.read_text(encoding="utf-8", errors="replace").replace("\n\t", " ")
    for month, day, event in re.findall(r"^(\d\d)/(\d\d)\*?\t(.+)$", text, re.M):
        yield f"{calendar.month_name[int(month)]} {int(day)}: {event}"


def novels(file: Path) -> Iterator[str]:
    """The lines of books in an R package's data."""
    data = file.read_bytes()
    while len(data) > 4:
        unpacker = zlib.decompressobj()
        values = unpacker.decompress(data[4:])
        data = unpacker.unused_data
        if len(values) > 100_000:
            yield paragraphs("\n".join(_r_strings(values)))


def reports(file: Path) -> Iterator[str]:
    """The texts of a corpus in an R package."""
    data = file.read_bytes()
    values = bz2.decompress(data) if data.startswith(b"BZh") else gzip.decompress(data)
    yield from (unwrapped(text) for text in _r_strings(values) if len(text) > 200)


def _r_strings(values: bytes) -> Iterator[str]:
    """The strings of R's serialised values: type 9 with flags, then a length of four bytes."""
    for match in re.finditer(rb"\x00[\x00-\x0f][\x00-\xff]\x09(?=\x00)", values):
        size = int.from_bytes(values[match.end() : match.end() + 4], "big")
        yield values[match.end() + 4 : match.end() + 4 + size].decode("utf-8", errors="replace")


def encyclopedia(file: Path) -> Iterator[str]:
    """Wikipedia's articles, without their markup."""
    text = bz2.decompress(file.read_bytes()).decode("utf-8", errors="replace")
    for article in re.findall(r"<text[^>]*>(.*?)</text>", text, re.S):
        article = html.unescape(html.unescape(article))
        if article.lower().startswith("#redirect"):
            continue
        article = re.sub(
            r"<!--.*?-->|<ref[^>]*/>|<ref.*?</ref>|<(math|gallery|code).*?</\1>", "", article, flags=re.S
        )
        for _ in range(4):
            article = re.sub(r"\{\{[^{}]*\}\}|\{\|[^{}]*\|\}", "", article)
        article = re.sub(r"\[\[(?:File|Image|Category|[a-z-]+):(?:[^\[\]]|\[\[[^\]]*\]\])*\]\]", "", article)
        article = re.sub(r"\[\[(?:[^|\]]*\|)?([^\]]*)\]\]", r"\1", article)
        article = re.sub(r"\[https?:\S+ ?([^\]]*)\]|'{2,}|<[^>]+>|\(\s*[;,]?\s*\)", r"\1", article)
        article = article.split("==See also==")[0].split("== See also ==")[0]
        article = re.sub(r"^=+ *(.*?) *=+$", r"\1", article, flags=re.M)
        lines = [line.strip() for line in article.split("\n")]
        yield "\n".join(line for line in lines if line and not line.startswith(("|", "!", "{", "}")))


def news(file: Path) -> Iterator[str]:
    """Texts of one line each."""
    yield from file.read_text(encoding="utf-8", errors="replace").split("\n")


def elements(file: Path) -> Iterator[str]:
    """The chemical elements, described."""
    with sqlite3.connect(file) as database:
        query = "select name, symbol, atomic_number, description, uses, sources from elements"
        for name, symbol, number, *texts in database.execute(query):
            known = " ".join(text for text in texts if text)
            yield f"{name} is the chemical element with the symbol {symbol} and number {number}. {known}"


def countries(file: Path) -> Iterator[str]:
    """A country's facts in sentences."""
    facts = json.loads(file.read_text(encoding="utf-8"))
    name, capital = facts.get("name"), facts.get("capital")
    if not (name and capital):
        return
    demonym, region = facts.get("demonym"), facts.get("subregion") or facts.get("region")
    neighbours = facts.get("borders") or []
    yield " ".join(
        [
            f"{name} is a country in {region}.",
            f"Its capital is {capital}, and its people are called {demonym}s." if demonym else "",
            f"It covers {facts.get('area'):,} square kilometres." if facts.get("area") else "",
            f"It borders on {len(neighbours)} countries." if neighbours else "It is an island.",
            "Its provinces are " + ", ".join(facts.get("provinces", [])[:12]) + ".",
        ]
    )


def quiz(file: Path) -> Iterator[str]:
    """A quiz as lists and as sentences."""
    yield from quiz_sentences(file)


def unwrapped(text: str) -> str:
    """A text in one line."""
    return " ".join(text.split())


def paragraphs(text: str) -> str:
    """A text with a line for each paragraph."""
    parts: Iterable[str] = (unwrapped(part) for part in re.split(r"\n\s*\n", text))
    return "\n".join(part for part in parts if part)
