"""Words that carry grammar rather than meaning, in the languages that small models read most."""

from __future__ import annotations

from collections.abc import Sequence

from clew.graph.summary.words import begins_word

WORDS = """
a an the this that these those and or but nor so yet if then than as of in on at to from by with for into onto
about over under between through during before after above below up down out off is are was were be been being
am do does did done has have had having will would shall should can could may might must it its he she they we
you i him her them us me his their our your my mine whom whose which there here
all some any each every other such when while because also just very more most only own same too both
der die das den dem des ein eine einen einem einer eines und oder aber in im an am auf aus bei mit nach von
vom zu zum zur für über unter ist sind war waren sein hat haben wird werden er sie es wir ihr ich dass als wie
le la les l un une des du de d et ou mais en dans sur sous par pour avec sans au aux est sont était étaient
a être ont avoir il elle ils elles on nous vous je tu ce cet cette ces qui que se s n y
el los las lo una unos unas del al y o pero con por para sin es son era eran ser ha han su sus que se él ella
il gli i uno e ed ma di da nel nella sul con per tra fra è sono era erano essere ha hanno che si
o os as um uma e ou mas do da dos das em no na nos nas por com para é são era eram ser que se
de het een en of maar van in op aan met voor door bij is zijn was waren dat die er
"""
FUNCTION_WORDS = frozenset(WORDS.split())


def is_function_word(text: str) -> bool:
    """True for a token that is a function word, a mark between words, or white space.

    Marks that calculate (`+`, `=`, `%`) are not.
    """
    word = text.strip().lower()
    return word in FUNCTION_WORDS or not any(is_telling(character) for character in word)


def whole_word(tokens: Sequence[str], position: int) -> str:
    """The word that the token is a piece of, without spaces: "Eiffel" for " E" and for "iffel"."""
    if not tokens[position].strip():
        return tokens[position]
    begin = position
    while begin and continues_word(tokens[begin - 1], tokens[begin]):
        begin -= 1
    end = position + 1
    while end < len(tokens) and continues_word(tokens[end - 1], tokens[end]):
        end += 1
    return "".join(tokens[begin:end]).strip()


def continues_word(before: str, token: str) -> bool:
    """True for a token that no space parts from the letters before it."""
    return before[-1:].isalpha() and token[:1].isalpha() and not begins_word(token)


def is_telling(character: str) -> bool:
    """True for a letter, a digit, or a sign that calculates or compares."""
    return character.isalnum() or character in "+-*/=%<>^√\u00d7÷≤≥≠$€£&@#"
