"""Beginnings from which the model writes on by itself: of real texts, and of the kinds that people trace."""

from __future__ import annotations

import gzip
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.support.prompts import FORTY
from clew.dictionary.replaced_model import PROMPTS
from tools.default_dictionary import sources
from tools.default_dictionary.patterns import FAMILIES, FEW, LANGUAGES, NAMES, NUMBER_WORDS, THINGS

Fill = Callable[[], str]


PARTS = [*FORTY, *(prompt.rsplit(" ", 1)[0] for prompt in PROMPTS)]
KNOWN = re.compile("|".join(map(re.escape, PARTS)), re.IGNORECASE)


def resembles_evaluation(text: str) -> bool:
    """True for a text with a prompt that the dictionary is measured on, or the larger part of one.

    It contains one of the forty, or one of the ten up to its last word, or it is a beginning of one and
    longer than half of it.
    """
    lower = text.lower()
    return bool(KNOWN.search(text)) or any(
        2 * len(text) > len(prompt) and prompt.lower().startswith(lower) for prompt in (*PROMPTS, *FORTY)
    )


def real_beginnings(texts: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """The first two to eleven words of texts, and of parts within them."""
    draw = random.Random(seed)
    found = []
    while len(found) < count:
        text = draw.choice(texts)
        parts = [part for part in re.split(r"(?<=[.!?:;]) |\n+", text) if part.strip()] or [text]
        words = (parts[0] if draw.random() < 0.5 else draw.choice(parts)).split(" ")
        # Short ones leave the model more freedom, so they are the more frequent ones.
        text = " ".join(words[: 1 + min(draw.randint(1, 10), draw.randint(1, 10))]).rstrip()
        if re.search("[A-Za-z]{2}", text) and not resembles_evaluation(text):
            found.append(text)
    return found


def template_beginnings(files: Path, texts: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """Beginnings made from patterns, filled with words that some texts use more than rarely."""
    draw = random.Random(seed)
    fill = _filler(draw, files, Counter(word for text in texts for word in re.findall(r"[A-Za-z]+", text)))
    found: list[str] = []
    while len(found) < count:
        text = fill(draw.choice(draw.choice(FAMILIES)))
        if not resembles_evaluation(text):
            found.append(text)
    return found


def _filler(draw: random.Random, files: Path, counts: Mapping[str, int]) -> Callable[[str], str]:
    """A function that puts words in a pattern's braces; the same name with a digit is the same word."""

    def usual(text: str, least: int) -> bool:
        return all(counts[word] >= least for word in re.findall(r"[A-Za-z]+", text))

    nouns = [noun for noun in _nouns(files) if usual(noun, 40)]
    one_word = [noun for noun in nouns if " " not in noun and noun.islower()]
    proper = [noun for noun in nouns if noun[0].isupper()]
    analogies = _analogies(files)
    opposites = [pair for pair in _opposites(files) if usual(" ".join(pair), 10)]
    words = _translations(files)
    acronyms = _acronyms(files)
    countries = sorted(
        {country for _, country in [*analogies["capital-world"], *analogies["capital-common-countries"]]}
    )
    cities = sorted({city for city, _ in [*analogies["capital-world"], *analogies["city-in-state"]]})

    def pair(pairs: Sequence[tuple[str, str]], sign: str) -> str:
        return sign.join(draw.choice(pairs))

    def few_shot() -> str:
        kind, sign = draw.choice(list(analogies)), draw.choice(FEW)
        between = draw.choice((", ", "\n", "; "))
        shots = [pair(analogies[kind], sign) for _ in range(draw.randint(1, 3))]
        return between.join([*shots, draw.choice(analogies[kind])[0]]) + sign.rstrip()

    def opposite_shots() -> str:
        sign, between = draw.choice(FEW), draw.choice((", ", "\n", "; "))
        shots = [pair(opposites, sign) for _ in range(draw.randint(1, 3))]
        return between.join([*shots, draw.choice(opposites)[0]]) + sign.rstrip()

    def translated() -> str:
        language = draw.choice(list(words))
        sign = draw.choice(FEW)
        shots = [pair(words[language], sign) for _ in range(draw.randint(0, 2))]
        first = draw.choice((f"English to {language}: ", f"{language}: ", ""))
        return first + ", ".join([*shots, draw.choice(words[language])[0]]) + sign.rstrip()

    def acronym() -> str:
        short, long = draw.choice(acronyms)
        return (
            f"{draw.choice(('The ', 'the ', ''))}{long} ({short[: draw.randint(0, max(1, len(short) - 1))]}"
        )

    def invented() -> str:
        words = [draw.choice(one_word).capitalize() for _ in range(draw.randint(2, 4))]
        return f"The {' '.join(words)} ({words[0][0]}"

    def arithmetic() -> str:
        a, b = draw.randint(0, 99), draw.randint(1, 20)
        return draw.choice(
            (f"{a} + {b} =", f"{a} - {b} =", f"{a} times {b} is", f"{a}, {a + b}, {a + 2 * b},")
        )

    fills: dict[str, Fill] = {
        "noun": lambda: draw.choice(one_word if draw.random() < 0.6 else nouns),
        "proper": lambda: draw.choice(proper),
        "country": lambda: draw.choice(countries),
        "city": lambda: draw.choice(cities),
        "name": lambda: draw.choice(NAMES),
        "thing": lambda: draw.choice(THINGS) if draw.random() < 0.7 else draw.choice(one_word),
        "language": lambda: draw.choice(LANGUAGES),
        "adjective": lambda: draw.choice(opposites)[0],
        "element": lambda: draw.choice(elements),
        "animal": lambda: draw.choice(animals),
        "verb": lambda: draw.choice(analogies["gram5-present-participle"])[0],
        "past": lambda: draw.choice(analogies["gram7-past-tense"])[1],
        "year": lambda: str(draw.randint(1200, 2023)),
        "number": lambda: draw.choice(NUMBER_WORDS) if draw.random() < 0.5 else str(draw.randint(1, 999)),
        "letter": lambda: draw.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        "few_shot": few_shot,
        "opposite_shots": opposite_shots,
        "translated": translated,
        "acronym": acronym,
        "invented": invented,
        "arithmetic": arithmetic,
    }
    elements = [
        text.split(" is ")[0].lower() for text in sources.elements(files / "mendeleev/mendeleev/elements.db")
    ]
    animals = _animals(files)

    def fill(pattern: str) -> str:
        chosen: dict[str, str] = {}

        def word(match: re.Match[str]) -> str:
            name = match[1].lower()
            kind = name.rstrip("0123456789")
            text = chosen.setdefault(name, fills[kind]()) if kind != name else fills[kind]()
            return text[:1].upper() + text[1:] if match[1][0].isupper() else text

        return re.sub(r"\{(\w+)\}", word, pattern).replace("<<", "{").replace(">>", "}")

    return fill


def _dictd(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode("utf-8", errors="replace")


def _nouns(files: Path) -> list[str]:
    """WordNet's nouns of one to three words, by the definitions that follow them."""
    entries = re.split(r"\n(?=\S)", _dictd(files / "dict-wn/usr/share/dictd/wn.dict.dz"))
    heads = [entry.split("\n")[0] for entry in entries if re.match(r".*\n\s+n\s", entry)]
    return [head for head in heads if re.fullmatch(r"[A-Za-z][a-z'-]+( [A-Za-z][a-z'-]+){0,2}", head)]


def _animals(files: Path) -> list[str]:
    """Animals that young ones, groups or females have a name of."""
    folder = files / "bsdgames/usr/share/games/bsdgames/quiz"
    lines = [line for name in ("babies", "collectives") for line in (folder / name).read_text().split("\n")]
    words = [word for line in lines for word in re.findall(r"[a-z]{3,}", line)]
    return sorted(set(words))


def _opposites(files: Path) -> list[tuple[str, str]]:
    """Pairs of opposites of WordNet."""
    text = _dictd(files / "dict-wn/usr/share/dictd/wn.dict.dz")
    pairs = []
    for entry in re.split(r"\n(?=\S)", text):
        head, _, body = entry.partition("\n")
        pairs += [(head, other) for other in re.findall(r"\[ant: \{([a-z]+)\}", body)]
    return [pair for pair in pairs if pair[0].isalpha() and pair[0].islower()]


def _analogies(files: Path) -> dict[str, list[tuple[str, str]]]:
    """Pairs of words by the kind of their relation: capitals, currencies, plurals, tenses and others."""
    found: dict[str, list[tuple[str, str]]] = {}
    kind = ""
    for line in (files / "gensim/gensim/test/test_data/questions-words.txt").read_text().split("\n"):
        words = line.split()
        if line.startswith(":"):
            kind = words[1]
            found[kind] = []
        elif len(words) == 4:
            found[kind] += [(words[0], words[1]), (words[2], words[3])]
    return {kind: sorted(set(pairs)) for kind, pairs in found.items()}


def _translations(files: Path) -> dict[str, list[tuple[str, str]]]:
    """Pairs of an English word and one of another language."""
    found = {}
    for language, code in {"French": "fra", "Spanish": "spa"}.items():
        (file,) = (files / f"dict-freedict-eng-{code}").glob("usr/share/dictd/*.dict.dz")
        pairs = re.findall(r"^([a-z]+) /[^/\n]*/.*\n([\w ]+)$", _dictd(file), re.M)
        found[language] = [(english, other) for english, other in pairs]
    return found


def _acronyms(files: Path) -> list[tuple[str, str]]:
    """Acronyms whose letters are those of the words that they stand for."""
    found = []
    for text in sources.dictionary(files / "dict-vera/usr/share/dictd/vera.dict.dz"):
        short, _, long = text.partition(": ")
        long = re.sub(r"\s*\(.*", "", long)
        letters = "".join(word[0] for word in re.findall(r"[A-Za-z]+", long)).upper()
        if letters == short and len(short) > 1:
            found.append((short, long))
    return found
