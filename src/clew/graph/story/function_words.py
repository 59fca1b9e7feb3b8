"""Words that carry grammar rather than meaning, in the languages that small models read most."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from clew.graph.summary.words import begins_word

BY_LANGUAGE = {
    "English": """
a an the this that these those and or but nor so yet if then than as of in on at to from by with for into onto
about over under between through during before after above below up down out off is are was were be been being
am do does did done has have had having will would shall should can could may might must it its he she they we
you i him her them us me his their our your my mine who what where how why whom whose which there here not no
all some any each every other such when while because also just very more most only own same too both""",
    "German": """
der die das den dem des ein eine einen einem einer eines und oder aber in im an am auf aus bei mit nach von
vom zu zum zur für über unter ist sind war waren sein hat haben wird werden er sie es wir ihr ich dass
als wie""",
    "French": """
le la les l un une des du de d et ou mais en dans sur sous par pour avec sans à au aux est sont était étaient
a être ont avoir il elle ils elles on nous vous je tu ce cet cette ces qui que se s n y""",
    "Spanish": """
el la los las lo un una unos unas de del al y o pero en con por para sin es son era eran ser ha han su sus que
se él ella""",
    "Italian": """
il lo la gli i le un uno una e ed o ma di da del della in nel nella su sul con per tra fra è sono era erano
essere ha hanno che si""",
    "Portuguese": """
o a os as um uma e ou mas de do da dos das em no na nos nas por com para é são era eram ser que se""",
    "Dutch": """
de het een en of maar van in op aan met voor door bij is zijn was waren dat die er""",
}
"""The words of each language; a word of one may carry meaning in another, as "hat", "war" and "door" do."""
LANGUAGES = {name: frozenset(words.split()) for name, words in BY_LANGUAGE.items()}
ANY_LANGUAGE = frozenset().union(*LANGUAGES.values())


def function_words_of(tokens: Sequence[str]) -> frozenset[str]:
    """The function words of the language that most of a prompt's different tokens are function words of.

    English where no language is ahead.
    """
    words = {token.strip().lower() for token in tokens}
    return max(LANGUAGES.values(), key=lambda known: len(words & known))


def is_function_word(text: str, known: Collection[str] = ANY_LANGUAGE) -> bool:
    """True for a token that is one of the known function words, a mark between words, or white space.

    Marks that calculate (`+`, `=`, `%`) are not.
    """
    word = text.strip().lower()
    return word in known or not any(is_telling(character) for character in word)


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
