"""Short texts of the kinds that the gallery's prompts are of.

The books of `tools.demo_index.texts` have few opposites, abbreviations or copied names. None of these is a
prompt of the gallery itself. Written by `python -m tools.demo_index.sentences FILE.jsonl`.

Six of them (plurals of "box", "shelf", "factory") were corrected after the index was made, which lacks them.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.default_dictionary.patterns import words

CAPITALS = """Portugal Lisbon, Spain Madrid, Italy Rome, Greece Athens, Austria Vienna, Hungary Budapest,
Poland Warsaw, Norway Oslo, Sweden Stockholm, Finland Helsinki, Denmark Copenhagen, Ireland Dublin, Belgium
Brussels, Russia Moscow, Ukraine Kiev, Turkey Ankara, Egypt Cairo, Kenya Nairobi, Nigeria Abuja, Ghana
Accra, Morocco Rabat, India New-Delhi, China Beijing, Japan Tokyo, Vietnam Hanoi, Thailand Bangkok,
Indonesia Jakarta, Australia Canberra, Canada Ottawa, Mexico Mexico-City, Cuba Havana, Peru Lima, Chile
Santiago, Argentina Buenos-Aires, Brazil Brasilia, Iran Tehran, Iraq Baghdad, Syria Damascus, Lebanon
Beirut, Texas Austin, California Sacramento, Georgia Atlanta, Ohio Columbus"""
OPPOSITES = """big small, tall short, fast slow, old young, new old, good bad, light dark, hard soft, wet
dry, rich poor, strong weak, happy sad, early late, high low, deep shallow, wide narrow, heavy light, loud
quiet, open closed, full empty, clean dirty, safe dangerous, cheap expensive, easy difficult, sweet bitter,
thick thin, warm cool, brave cowardly, alive dead, true false, right wrong, first last, sharp dull, smooth
rough, near far, up down, left right, black white, day night, love hate, war peace, north south, friend
enemy, win lose, buy sell"""
NAMES = words(
    "Tom Anna Paul Lucy Peter Jane Mark Sarah David Emma James Alice Simon Laura Robert Helen Frank Rose"
)
PLACES = words("park school beach station market library garden museum office restaurant")
GIFTS = words("book ball letter ring cake hat flower key picture coin")
GIVEN = words("gave handed offered showed passed brought")
BODIES = """World Health Organization WHO, Federal Bureau of Investigation FBI, National Security Agency
NSA, European Union EU, United Nations UN, International Monetary Fund IMF, World Trade Organization WTO,
North Atlantic Treaty Organization NATO, Environmental Protection Agency EPA, Food and Drug Administration
FDA, Internal Revenue Service IRS, National Aeronautics and Space Administration NASA, Department of Defense
DOD, Federal Communications Commission FCC, Central Bank of Ireland CBI, International Criminal Court ICC,
Securities and Exchange Commission SEC, Drug Enforcement Administration DEA, Federal Aviation Administration
FAA, Centers for Disease Control CDC, National Basketball Association NBA, International Olympic Committee
IOC, United Arab Emirates UAE, American Civil Liberties Union ACLU, Royal Air Force RAF, Congressional
Budget Office CBO, General Motors GM, British Broadcasting Corporation BBC, Cable News Network CNN, Gross
Domestic Product GDP, Artificial Intelligence AI, Central Processing Unit CPU, Chief Executive Officer CEO,
Global Positioning System GPS, Massachusetts Institute of Technology MIT, Organization of American States
OAS, African Union AU"""
THINGS = """key door, book table, cup table, picture wall, letter desk, lamp ceiling, car garage, dog yard,
boat river, bag closet, tree hill, coat hook, ticket counter, bottle sink, house street, horse field,
window house, student school, soldier camp, worker station"""
STATES = words("old new red clean broken missing heavy beautiful small empty")


def main() -> None:
    """Write all texts, one JSON object a line (always alike)."""
    draw = random.Random(0)
    texts = [*capitals(draw), *opposites(draw), *gifts(draw), *bodies(draw), *numbers(draw)]
    draw.shuffle(texts)
    Path(sys.argv[1]).write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8"
    )


def pairs(text: str) -> list[tuple[str, str]]:
    """The entries of a list with commas, each as all words but the last, and the last."""
    entries = (" ".join(entry.split()).rpartition(" ") for entry in text.split(","))
    return [(first, last.replace("-", " ")) for first, _, last in entries]


def capitals(draw: random.Random) -> Iterator[str]:
    """Two countries, each with its capital."""
    places = pairs(CAPITALS)
    for place, city in places:
        other, its_city = draw.choice(places)
        yield f"The capital of {place} is {city}. The capital of {other} is {its_city}."
        yield f"{city} is the capital of {place}, and {its_city} is a city in {other}."


def opposites(draw: random.Random) -> Iterator[str]:
    """Two pairs of opposites."""
    listed = pairs(OPPOSITES)
    for word, opposite in listed:
        other, its_opposite = draw.choice(listed)
        yield f"The opposite of {word} is {opposite}. The opposite of {other} is {its_opposite}."
        yield f"It was not {word} but {opposite}: {other} is the opposite of {its_opposite}."


def gifts(draw: random.Random) -> Iterator[str]:
    """Two people, one of whom gives the other something."""
    for _ in range(80):
        one, other = draw.sample(NAMES, 2)
        place, gift, given = draw.choice(PLACES), draw.choice(GIFTS), draw.choice(GIVEN)
        giver, taker = draw.sample((one, other), 2)
        scene = f"When {one} and {other} went to the {place}, {giver} {given} a {gift} to {taker}."
        yield f"{scene} {taker} thanked {giver}."


def bodies(draw: random.Random) -> Iterator[str]:
    """Names with their abbreviations."""
    names = pairs(BODIES)
    for name, short in names:
        other, its_short = draw.choice(names)
        yield f"The {name} ({short}) said on Monday that it had met the {other} ({its_short})."
        yield f"A report of the {name} ({short}) was published. The {short} declined to comment."


def numbers(draw: random.Random) -> Iterator[str]:
    """Sentences whose verb agrees with a noun further back."""
    for thing, place in pairs(THINGS):
        one, other = draw.sample(STATES, 2)
        yield f"The {thing}s near the {place} are {one}. The {thing} near the {place} is {other}."
        yield f"The {thing} by the {place}s was {one}. The {thing}s by the {place} were {other}."
        yield f"The {place} of the {thing}s is {one}, and the {thing}s of the {place} have been {other}."


if __name__ == "__main__":
    main()
