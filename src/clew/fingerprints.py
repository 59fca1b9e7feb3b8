"""Fingerprints of weights: whether two of them may be of the same bytes."""

from __future__ import annotations


def fingerprint(sampled: str, whole: str) -> str:
    """The two parts of a fingerprint as one text.

    Files of older versions of clew hold only the first part, which hashes samples of every array.
    """
    return f"{sampled}-{whole}"


def same_weights(one: str, other: str) -> bool:
    """True where two fingerprints agree in every part that both have; both are known."""
    return all(a == b for a, b in zip(one.split("-"), other.split("-"), strict=False))
