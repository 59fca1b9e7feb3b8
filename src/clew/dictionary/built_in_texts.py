"""The texts that dictionaries are measured on if the user names none; written for clew."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

TEXT = """\
The river rises in the hills above the town, and for most of the year it is shallow enough to cross on \
foot. In 1887, after three days of rain, it took the old bridge and two mills with it. "We heard it before \
we saw it," said the miller's wife. A new bridge was finished within eighteen months; it cost $12,400.

Water is made of two parts of hydrogen and one of oxygen. When it freezes it expands, which is why ice \
floats and pipes burst in winter. def area(radius): return 3.14159 * radius ** 2

Dear Maria, thank you for the books! Could you send me the address of your sister in Madrid? I would like to \
write to her before the end of June, if that is not too late. With love to all of you, Thomas"""
"""A short text, for a look at a dictionary whenever it is loaded."""


@cache
def longer_text() -> str:
    """A text of many kinds, for a report: about a thousand words."""
    return files("clew.dictionary").joinpath("longer_text.txt").read_text(encoding="utf-8")
