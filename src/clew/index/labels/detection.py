"""How sure a label is: how well it tells texts on which a feature is active from others.

With P texts on which the feature is active, none of them shown when the label was made, and N others:

    confidence = (active texts found / P + other texts left alone / N) / 2

This is balanced accuracy: 1 is faultless, 0.5 is what guessing gives.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence


def balanced_accuracy(found: Collection[int], is_active: Sequence[bool]) -> float:
    """`found` are the numbers, from 1, of the texts that the label was said to fit.

    Both kinds of text must be there.
    """
    active = {number for number, is_one in enumerate(is_active, start=1) if is_one}
    others = set(range(1, len(is_active) + 1)) - active
    return (len(active & set(found)) / len(active) + len(others - set(found)) / len(others)) / 2
