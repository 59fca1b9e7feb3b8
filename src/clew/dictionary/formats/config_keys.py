"""The keys of a foreign configuration: each is used, known to change nothing, or refused by name.

A format declares its keys in one `ConfigKeys` and calls `check` before it reads any of them, so that a
misspelt key, a setting of a newer version or a value of another type cannot pass for a default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from clew.errors import ClewError

LONGEST = 60
"""Letters of a value that a message shows."""


@dataclass(frozen=True)
class Kind:
    """The values that a used key may have; null stands for a missing key."""

    expected: str
    """For people: `a whole number from 1`."""
    allows: Callable[[Any], bool]


def whole_number(least: int) -> Kind:
    return Kind(f"a whole number from {least}", lambda value: type(value) is int and value >= least)


def one_number_of(choices: range) -> Kind:
    expected = f"a whole number from {choices[0]} to {choices[-1]}"
    return Kind(expected, lambda value: type(value) is int and value in choices)


def one_of(*choices: str) -> Kind:
    """One of some words; the empty one stands for a missing key."""
    return Kind(" or ".join(choices), lambda value: isinstance(value, str) and value in ("", *choices))


def list_of(kind: Kind, expected: str) -> Kind:
    return Kind(expected, lambda value: isinstance(value, list) and all(map(kind.allows, value)))


COUNT, INDEX = whole_number(1), whole_number(0)
FLAG = Kind("true or false", lambda value: type(value) is bool)
WORD = Kind("a word", lambda value: isinstance(value, str))
POSITIVE = Kind("a number above 0", lambda value: type(value) in (int, float) and 0 < value < float("inf"))


def either(first: Kind, second: Kind) -> Kind:
    return Kind(
        f"{first.expected} or {second.expected}", lambda value: first.allows(value) or second.allows(value)
    )


@dataclass(frozen=True)
class ConfigKeys:
    """The keys of one kind of configuration file."""

    used: Mapping[str, Kind]
    """Keys that the format's reader reads."""
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Keys with the values that change nothing; other values change features beyond what clew represents."""
    harmless: Mapping[str, str] = field(default_factory=dict)
    """Keys that no activation depends on, separated by spaces, by the reason."""
    nested: Mapping[str, ConfigKeys] = field(default_factory=dict)
    """Keys whose value is a configuration of its own."""

    def check(self, path: Path, values: Mapping[str, Any], within: str = "") -> None:
        """Raise `ClewError` for an unknown key and for a value that the key cannot have."""
        for key, value in values.items():
            named = f"{path} says {within}{key}: {shown(value)}"
            if value is None and (key in self.used or key in self.nested):
                continue
            if key in self.nested:
                if not isinstance(value, dict):
                    raise ClewError(f"{named}; correct it to an object of settings.")
                self.nested[key].check(path, value, f"{within}{key}.")
            elif key in self.used:
                if not self.used[key].allows(value):
                    raise ClewError(f"{named}; correct it to {self.used[key].expected}.")
            elif key in self.only:
                if not any(type(value) is type(one) and value == one for one in (None, *self.only[key])):
                    raise ClewError(
                        f"{named}, which clew cannot represent exactly; fold it into the weights and save "
                        "them without it."
                    )
            elif key not in self._harmless:
                raise ClewError(f"{named}, but clew does not know this key{self._near(key)}.")

    @property
    def all(self) -> list[str]:
        """Every key of this file, but those inside nested ones."""
        return [*self.used, *self.only, *self.nested, *self._harmless]

    @property
    def _harmless(self) -> list[str]:
        return [key for keys in self.harmless.values() for key in keys.split()]

    def _near(self, key: str) -> str:
        near = get_close_matches(str(key), self.all, 1)
        if near:
            return f"; if {near[0]} is meant, correct it"
        return ", which may change what features do; delete it from the file if it does not"


def shown(value: Any) -> str:
    """A value on one line, for a message."""
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
