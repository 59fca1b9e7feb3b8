"""Random changes of files, the same for the same seed: in JSON one value or key, elsewhere some bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

Path = tuple[str | int, ...]
"""Keys and indices from the outside to a value in JSON."""

NUMBERS = (0, 1, -1, 2, 3, 7, 64, 10**6, 2**31, 2**63, 10**400, 0.5, 1e-30, 1e308, -0.0)
OTHER_TYPES = (None, True, False, 0, 1, -1, 2.5, "", "x", "1", [], [1], {}, {"a": 1})
TEXTS = ("", " ", "x", "ä", "\u2028", "\x00", "a" * 5000, "../../x", "None", "0")


@dataclass(frozen=True)
class Mutation:
    """One change of a JSON value."""

    kind: str
    """delete, rename, retype, number, text, list or add."""
    path: Path
    value: Any
    """The JSON with the change."""

    @property
    def name(self) -> str:
        return f"{self.kind} {'.'.join(map(str, self.path))}"

    @property
    def changed(self) -> Any:
        """The new value at the path; raises `LookupError` where there is none any more."""
        return at(self.value, self.path)


def at(value: Any, path: Path) -> Any:
    """The part of a JSON value at a path; raises `LookupError` where there is none."""
    for step in path:
        value = value[step]
    return value


def paths(value: Any, start: Path = ()) -> Iterator[Path]:
    """The paths to all parts of a JSON value but the whole."""
    items: Any = ()
    match value:
        case dict():
            items = value.items()
        case list():
            items = enumerate(value)
    for step, part in items:
        yield (*start, step)
        yield from paths(part, (*start, step))


def differences(one: Any, other: Any, start: Path = ()) -> Iterator[Path]:
    """The paths at which two JSON values differ, as deep as both have them."""
    match one, other:
        case dict(), dict():
            for key in one.keys() | other.keys():
                if key in one and key in other:
                    yield from differences(one[key], other[key], (*start, key))
                else:
                    yield (*start, key)
        case list(), list() if len(one) == len(other):
            for index, (left, right) in enumerate(zip(one, other, strict=True)):
                yield from differences(left, right, (*start, index))
        case _ if one != other or type(one) is not type(other):
            yield start


def mutate(original: Any, random: Random, choose: Callable[[list[Path]], Path] | None = None) -> Mutation:
    """A copy of a JSON value with one change, at a random place or one that `choose` picks."""
    value = copy.deepcopy(original)
    path = (choose or random.choice)(list(paths(value)))
    parent, last = at(value, path[:-1]), path[-1]
    old: Any = parent[last]
    kind = random.choice(_kinds(parent, old))
    match kind:
        case "delete":
            del parent[last]
        case "retype":
            parent[last] = random.choice([each for each in OTHER_TYPES if _type(each) is not _type(old)])
        case "rename":
            parent[_misspelt(str(last), random)] = parent.pop(last)
        case "add":
            path = (*path[:-1], _misspelt(str(last), random))
            parent[path[-1]] = random.choice(OTHER_TYPES)
        case "number":
            parent[last] = random.choice([each for each in (*NUMBERS, old * 2, old + 1) if each != old])
        case "text":
            parent[last] = random.choice([*TEXTS, old + "x", old[:-1], old.upper()])
        case "list":
            parent[last] = random.choice([old[:-1], old + old[-1:], old[::-1], old * 3])
    return Mutation(kind, path, value)


def mutate_bytes(content: bytes, random: Random) -> bytes:
    """The bytes with a few of them changed, left out or doubled, or cut off."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 3)):
        start = random.randrange(len(changed))
        length = random.choice([1, 1, 4, 8, 100])
        match random.choice(["set", "flip", "delete", "double", "cut"]):
            case "set":
                changed[start : start + length] = random.randbytes(min(length, len(changed) - start))
            case "flip":
                changed[start] ^= 1 << random.randrange(8)
            case "delete":
                del changed[start : start + length]
            case "double":
                changed[start:start] = changed[start : start + length]
            case "cut":
                del changed[start + 1 :]
    return bytes(changed)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _kinds(parent: Any, old: Any) -> list[str]:
    """The kinds of change that a value takes; the likelier ones stand there more than once."""
    kinds = ["delete", "retype"]
    kinds += ["rename", "rename", "add"] if isinstance(parent, dict) else []
    kinds += ["number"] * 3 if isinstance(old, int | float) and not isinstance(old, bool) else []
    kinds += ["text"] if isinstance(old, str) else []
    kinds += ["list"] if isinstance(old, list) and old else []
    return kinds


def _type(value: Any) -> type:
    """The type of a JSON value, which has one kind of number."""
    return float if type(value) is int else type(value)


def _misspelt(name: str, random: Random) -> str:
    place = random.randrange(len(name) + 1)
    inside = f"{name[:place]}_{name[place:]}"
    return random.choice([f"{name}s", inside, name.upper() + "X", name[:-1], f"x_{name}"])
