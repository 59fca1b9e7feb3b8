"""Values on the command line: each function reads one text, or says what it expected."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from clew.feature import Feature, FeatureAt, suggestion
from clew.files import named_path


def feature(text: str) -> Feature:
    """`L12/4031`."""
    named = Feature.match(text)
    if named is None:
        raise _not_a_feature("L12/4031", text)
    return named


def features(text: str) -> list[Feature]:
    """`L12/4031,L3/7`."""
    return [feature(name.strip()) for name in text.split(",") if name.strip()]


def feature_maybe_at(text: str) -> Feature | FeatureAt:
    """`L12/4031` or `L12/4031@5`."""
    named = FeatureAt.match(text) or Feature.match(text)
    if named is None:
        raise _not_a_feature("L12/4031 or L12/4031@5", text)
    return named


def _not_a_feature(example: str, text: str) -> ArgumentTypeError:
    meant = suggestion(text)
    return ArgumentTypeError(f"expected a feature such as {example}, not {text!r}{meant and '.'}{meant}")


def token_ids(text: str) -> list[int]:
    """`2,17,45`."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit()):
            raise ArgumentTypeError(f"expected token ids such as 2,17,45; {part!r} is not one")
    return [int(part) for part in parts]


def target(text: str) -> str:
    """A token's text, its id as `id:7042`, or `A minus B` of these."""
    sides = text.split(" minus ", 1)
    for side in sides:
        number = side.strip().removeprefix("id:")
        if side.strip().startswith("id:") and not (number.isascii() and number.isdigit()):
            raise ArgumentTypeError(f"expected a token id such as id:7042, not {side.strip()!r}")
    return text


def file_ending_in(suffix: str) -> Callable[[str], Path]:
    """A reader of file names; it names the right option for a graph in the other format."""

    def read(text: str) -> Path:
        path = named_path(text)
        if path.suffix.lower() != suffix:
            other = {".json": " (--json writes JSON)", ".clew": " (--out writes .clew files)"}
            hint = other.get(path.suffix.lower(), "") if suffix in other else ""
            raise ArgumentTypeError(f"expected a name that ends in {suffix}, not {text!r}{hint}")
        return path

    return read
