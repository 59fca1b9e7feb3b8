"""The details of one feature as other tools store them: examples, output tokens and numbers, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from clew.errors import ClewError
from clew.feature import Feature
from clew.graph.neuronpedia.format import pair

TOP, BOTTOM, INTERVAL = "Top activations", "Bottom activations", "Subsample Interval"
"""Names of the groups of examples; a number follows the name of an interval."""
MOST_ITEMS = 10_000
"""Examples of a group, tokens of an example, bars of a histogram; a file with more is refused."""
LONGEST_TEXT = 10_000

Item = TypeVar("Item")


@dataclass(frozen=True)
class FileExample:
    """A window of text and the feature's activation on each of its tokens."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    peak: int | None = None
    """The place of the token that the example is about (`train_token_ind`)."""
    repeated: bool = False

    @property
    def strongest(self) -> float:
        """The activation of largest magnitude, with its sign; 0 for no tokens."""
        return max(self.activations, key=abs, default=0.0)


@dataclass(frozen=True)
class Quantile:
    """A named group of examples, such as `Top activations`."""

    name: str
    examples: tuple[FileExample, ...]


@dataclass(frozen=True)
class FeatureFile:
    """One feature, as the JSON of other tools describes it."""

    feature: Feature
    transcoder: str = ""
    quantiles: tuple[Quantile, ...] = ()
    top_outputs: tuple[str, ...] = ()
    bottom_outputs: tuple[str, ...] = ()
    minimum: float = 0.0
    maximum: float = 0.0
    histogram: tuple[float, ...] = ()
    quantile_values: tuple[float, ...] = ()
    frequency: float = 0.0
    """Share of tokens on which it is active."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the file, as plain JSON values."""


def details_to_json(details: FeatureFile) -> dict[str, Any]:
    """Plain values in the published spelling."""
    return {
        **details.more,
        "index": details.feature.index,
        "layer": details.feature.layer,
        "transcoder_id": details.transcoder,
        "examples_quantiles": [
            {
                "quantile_name": quantile.name,
                "examples": [_example_to_json(example) for example in quantile.examples],
            }
            for quantile in details.quantiles
        ],
        "top_logits": list(details.top_outputs),
        "bottom_logits": list(details.bottom_outputs),
        "act_min": details.minimum,
        "act_max": details.maximum,
        "histogram": list(details.histogram),
        "quantile_values": list(details.quantile_values),
        "activation_frequency": details.frequency,
    }


FIELDS = frozenset(details_to_json(FeatureFile(Feature(0, 0))))
"""Names in the JSON that `FeatureFile` has a field for."""


def details_from_json(data: Any, feature: Feature) -> FeatureFile:
    """The inverse of `details_to_json`; missing fields take their defaults, unknown ones go to `more`.

    `feature` is the one that the file's name, or its place in a packed file, stands for. Raises `ClewError`
    for a field of the wrong type, a number that is not finite, or details of another feature.
    """
    _check(isinstance(data, dict), "the details are not a JSON object")
    index = data.get("index", feature.index)
    _check(_is_whole(index), "index is not a whole number")
    if index not in (feature.index, pair(feature.layer, feature.index)):
        raise ClewError(f"index is {index}, but the name of the file says {feature}.")
    _check(data.get("layer", feature.layer) == feature.layer, f"layer is not that of {feature}")
    return FeatureFile(
        feature,
        transcoder=_transcoder(data.get("transcoder_id")),
        quantiles=_items(data, "examples_quantiles", _quantile),
        top_outputs=_items(data, "top_logits", _output),
        bottom_outputs=_items(data, "bottom_logits", _output),
        minimum=_number(data.get("act_min") or 0, "act_min"),
        maximum=_number(data.get("act_max") or 0, "act_max"),
        histogram=_items(data, "histogram", _number),
        quantile_values=_items(data, "quantile_values", _number),
        frequency=_share(data.get("activation_frequency") or 0),
        more={key: value for key, value in data.items() if key not in FIELDS},
    )


def encode(details: FeatureFile) -> bytes:
    """Details as the bytes of a JSON file; raises `ClewError` for numbers that JSON cannot write."""
    try:
        return json.dumps(details_to_json(details), allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise ClewError(f"{details.feature} holds a number that JSON cannot write: {error}.") from error


def decode(data: bytes, feature: Feature) -> FeatureFile:
    """Details from the bytes of a JSON file; raises `ClewError` as `details_from_json`."""
    return details_from_json(parse(data), feature)


def parse(data: bytes) -> Any:
    """JSON values; raises `ClewError` for anything else, also for NaN and infinity."""

    def refuse(word: str) -> float:
        raise ClewError(f"it holds {word}, which is not a number.")

    try:
        return json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ClewError(f"it is not JSON, or was cut off ({str(error)[:80]}).") from error


def _example_to_json(example: FileExample) -> dict[str, Any]:
    return {
        "tokens": list(example.tokens),
        "tokens_acts_list": list(example.activations),
        "train_token_ind": example.peak,
        "is_repeated_datapoint": example.repeated,
    }


def _quantile(data: Any, where: str) -> Quantile:
    _check(isinstance(data, dict), f"{where} is not a JSON object")
    name = _text(data.get("quantile_name", ""), f"{where}.quantile_name")
    return Quantile(name, _items(data, "examples", _example, where))


def _example(data: Any, where: str) -> FileExample:
    _check(isinstance(data, dict), f"{where} is not a JSON object")
    tokens = _items(data, "tokens", _text, where)
    activations = _items(data, "tokens_acts_list", _number, where)
    if len(tokens) != len(activations):
        raise ClewError(f"{where} has {len(tokens)} tokens but {len(activations)} activations.")
    peak = data.get("train_token_ind")
    if peak is not None:
        _check(_is_whole(peak), f"{where}.train_token_ind is not a whole number")
    inside = peak if peak is not None and 0 <= peak < len(tokens) else None
    return FileExample(tokens, activations, inside, data.get("is_repeated_datapoint") is True)


def _items(
    data: dict[str, Any], name: str, read: Callable[[Any, str], Item], where: str = ""
) -> tuple[Item, ...]:
    """The items of a list, each read by `read`; a missing list or null is empty."""
    place = f"{where}.{name}" if where else name
    items = data.get(name)
    if items is None:
        return ()
    _check(isinstance(items, list), f"{place} is not a list")
    _check(len(items) <= MOST_ITEMS, f"{place} has more than {MOST_ITEMS:,} items")
    return tuple(read(item, f"{place}[{number}]") for number, item in enumerate(items))


def _text(value: Any, where: str) -> str:
    _check(isinstance(value, str), f"{where} is not a text")
    _check(len(value) <= LONGEST_TEXT, f"{where} has more than {LONGEST_TEXT:,} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ClewError(f"{where} holds half a character (a lone surrogate).") from None
    return value


def _output(value: Any, where: str) -> str:
    """A token, or `[token, logit]` as some tools write it."""
    with_logit = isinstance(value, list) and len(value) == 2
    return _text(value[0] if with_logit else value, where)


def _number(value: Any, where: str) -> float:
    _check(isinstance(value, int | float) and not isinstance(value, bool), f"{where} is not a number")
    _check(is_number(value), f"{where} is not finite")
    return float(value)


def is_number(value: Any) -> bool:
    """True for a finite number that a float can hold."""
    try:
        return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _share(value: Any) -> float:
    number = _number(value, "activation_frequency")
    _check(0 <= number <= 1, "activation_frequency is not between 0 and 1")
    return number


def _transcoder(value: Any) -> str:
    return str(value) if _is_whole(value) else _text(value or "", "transcoder_id")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check(condition: bool, problem: str) -> None:
    if not condition:
        raise ClewError(f"{problem}.")
