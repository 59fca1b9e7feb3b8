"""Interventions as a user describes them: features, positions, and how the features change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NoReturn, TypeAlias

from clew.errors import ClewError
from clew.feature import Feature, FeatureAt, suggestion
from clew.model.messages import Messages, PromptLike, is_chat, with_question

How: TypeAlias = Literal["ablate", "scale", "set", "add", "patch"]


@dataclass(frozen=True)
class WayOfChange:
    """One way to change a feature, as commands, server and page tell it."""

    sentence: str
    takes: Literal["nothing", "number", "prompt"]
    """The kind of value that goes with it."""


HOW: dict[How, WayOfChange] = {
    "ablate": WayOfChange("Set the activation to 0.", "nothing"),
    "scale": WayOfChange("Multiply the activation by a number.", "number"),
    "set": WayOfChange("Set the activation to a number.", "number"),
    "add": WayOfChange("Add a number to the activation.", "number"),
    "patch": WayOfChange("Set the activation to its value on another prompt.", "prompt"),
}
"""The ways to change a feature."""


@dataclass(frozen=True)
class From:
    """All positions from one on, those of generated tokens included.

    Args:
        position: The first position; a negative one counts from the prompt's end.
    """

    position: int


@dataclass(frozen=True)
class Source:
    """Another prompt, whose activations are patched in.

    Args:
        prompt: A text, token ids, or the messages of a chat.
        position: The position to take activations from; a negative one counts from the end of this prompt.
            By default each activation comes from the position that it is patched into.
    """

    prompt: PromptLike
    position: int | None = None


Positions: TypeAlias = int | slice | From | str | Sequence[int]
"""One position, a slice or several of the prompt's, `From(p)`, or `"all"` (generated tokens included).

Negative positions count from the prompt's end."""

Features: TypeAlias = Feature | str | Sequence[Feature | str]
"""One or several features, or names: `"L12/4031"`, `"L12/4031@5"`, or a supernode or label of a graph."""

FeatureAtLike: TypeAlias = str | Feature | FeatureAt | tuple[Feature, int] | tuple[int, int, int]
"""`"L24/1005@5"`, `Feature(24, 1005).at(5)`, `(layer, position, index)` or `(feature, position)`.

Without a position the feature at every position; with a graph also a node's id, a supernode or a label."""


@dataclass(frozen=True)
class Intervention:
    """A change of one feature, or of several together (a supernode).

    Args:
        features: `Feature(12, 4031)`, `"L12/4031"`, `"L12/4031@5"`, the name of a supernode or label of the
            graph that is given with the prompt, or several of these.
        positions: Where the features change: a position, several, a slice, `From(p)` or `"all"`. By default
            at the position in the name (`"L12/4031@5"`), at the nodes of the supernode or label, or else at
            all positions.
        how: `"ablate"` (to 0), `"set"` (to `value`), `"add"` (by `value`), `"scale"` (times `value`) or
            `"patch"` (to the activation on another prompt).
        value: An activation in the dictionary's units, or a factor for `"scale"`; for `"patch"` a prompt or a
            `Source`. Not for `"ablate"`.
    """

    features: Features
    positions: Positions | None = None
    how: str = "ablate"
    value: float | PromptLike | Source | None = None

    @property
    def members(self) -> tuple[Feature, ...]:
        """Its features.

        Raises:
            ClewError: A name is not that of a feature, so that only a graph knows it.
        """
        return tuple(_feature(each) if isinstance(each, str) else each for each in self.given)

    @property
    def given(self) -> tuple[Feature | str, ...]:
        """Its features and names, as they were given.

        Raises:
            ClewError: `features` is neither a feature nor a name nor several of these.
        """
        if isinstance(self.features, Feature | str):
            return (self.features,)
        if not isinstance(self.features, Sequence):
            raise ClewError(
                f"{self.features!r} is not a feature; give Feature(layer, index), a name such as L12/4031, "
                "or several of these."
            )
        return tuple(self.features)

    def __str__(self) -> str:
        """The change in words: `L24/1005@5 times -2`."""
        names, most = [str(each) for each in self.given], 3
        more = f" and {len(names) - most} more" if len(names) > most else ""
        return f"{', '.join(names[:most])}{more}{self.spelled_positions} {self._change}"

    @property
    def spelled_positions(self) -> str:
        """Its positions as on the command line: `@5`; empty where none are given."""
        return spell_positions(self.positions)

    @property
    def _change(self) -> str:
        if self.how == "ablate":
            return "to 0"
        if self.how == "patch":
            source = as_source(self.value)
            return f"to its value on {_spelled(source.prompt)}" + spell_positions(source.position)
        value = f"{self.value:g}" if isinstance(self.value, int | float) else repr(self.value)
        return {"set": f"to {value}", "add": f"by adding {value}", "scale": f"times {value}"}.get(
            self.how, f"{self.how} {value}"
        )


def _spelled(prompt: PromptLike) -> str:
    """A prompt in quotes or a list of ids; of a chat the last message."""
    return f"the chat that ends {prompt[-1].get('content')!r}" if is_chat(prompt) else repr(prompt)


def in_chat(intervention: Intervention, messages: Messages) -> Intervention:
    """The same; the text of a patch is asked in the chat, in place of the user's last message."""
    if intervention.how != "patch":
        return intervention
    source = as_source(intervention.value)
    if not isinstance(source.prompt, str):
        return intervention
    asked = Source(with_question(messages, source.prompt), source.position)
    return replace(intervention, value=asked)


def feature_named(text: str) -> Feature | FeatureAt | None:
    """The feature of `L12/4031` or `L12/4031@5`; None for other texts."""
    feature = Feature.match(text) or FeatureAt.match(text)
    return feature if feature and feature.index >= 0 else None


def _feature(name: str) -> Feature:
    named = feature_named(name) or refuse_name(name)
    return named.feature if isinstance(named, FeatureAt) else named


def as_source(value: object) -> Source:
    """The source of a patch; `ClewError` for a value that is not a prompt."""
    if isinstance(value, Source):
        return value
    if not isinstance(value, str | Sequence):
        raise ClewError(f"A patch needs another prompt (a text, ids, messages or a Source), not {value!r}.")
    return Source(value)


def spell_positions(positions: Positions | None) -> str:
    """Positions as on the command line: `@5`, `@2:5`, `@5-`, `@1,4`, `@all`; empty for None."""
    match positions:
        case None:
            return ""
        case slice():
            bounds = ("" if bound is None else str(bound) for bound in (positions.start, positions.stop))
            step = "" if positions.step is None else f":{positions.step}"
            return f"@{':'.join(bounds)}{step}"
        case From():
            return f"@{positions.position}-"
        case str() | int():
            return f"@{positions}"
        case Sequence():
            return f"@{','.join(map(str, positions))}"
    return f"@{positions}"


def refuse_name(name: str, reason: str | None = None) -> NoReturn:
    """Raise `ClewError` for an unknown name, with a suggestion where one is near."""
    reason = reason or (
        f"{name!r} is not a feature such as L12/4031; for a supernode or a label, give its graph "
        "(--graph FILE, or graph= in Python)."
    )
    raise ClewError(reason + suggestion(name))
