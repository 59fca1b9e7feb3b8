"""What a file says of one feature: texts on which it is active, output tokens, numbers; as JSON and back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from clew.errors import ClewError
from clew.graph.neuronpedia.format import pair

TOP, BOTTOM, INTERVAL = "Top activations", "Bottom activations", "Subsample Interval"
"""Names of the groups of examples; an interval has a number after it."""
MOST_ITEMS = 10_000
"""Examples of a group, tokens of an example, bars of a histogram: files with more are no details."""
LONGEST_TEXT = 10_000

FIELDS = frozenset(
    [
        *("index", "layer", "transcoder_id", "examples_quantiles", "top_logits", "bottom_logits"),
        *("act_min", "act_max", "histogram", "quantile_values", "activation_frequency"),
    ]
)
"""All that `FeatureDetails` has a name for."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Example:
    """A window of text and the feature's activation on each of its tokens."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    peak: int | None = None
    """Which token the example is about (`train_token_ind`)."""
    repeated: bool = False

    @property
    def strongest(self) -> float:
        """The activation of largest size, with its sign; 0 for no tokens."""
        return max(self.activations, key=abs, default=0.0)


@dataclass(frozen=True)
class Quantile:
    """A named group of examples, such as `Top activations`."""

    name: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class FeatureDetails:
    """One feature, as the per-feature JSON describes it."""

    layer: int
    feature: int
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
    """What else the file said, as plain JSON values."""

    @property
    def name(self) -> str:
        return f"L{self.layer}/{self.feature}"


def details_to_json(details: FeatureDetails) -> dict[str, Any]:
    """Plain values in the published spelling."""
    return {
        **details.more,
        "index": details.feature,
        "layer": details.layer,
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


def details_from_json(data: Any, layer: int, feature: int) -> FeatureDetails:
    """The inverse; what is missing takes its default, and other fields are kept as they are.

    `layer` and `feature` are where the file says that the details lie: its name, or its place among the
    packed ones. Raises `ClewError` that names a field of the wrong type, a number that is none, or details
    that say they belong to another feature.
    """
    _check(isinstance(data, dict), "the details are no JSON object")
    index = data.get("index", feature)
    _check(_is_whole(index), "index is no whole number")
    if index not in (feature, pair(layer, feature)):
        raise ClewError(f"index is {index}, but by its place this is feature {feature} of layer {layer}.")
    _check(data.get("layer", layer) == layer, f"layer is not {layer}, as its place says")
    return FeatureDetails(
        layer,
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


def encode(details: FeatureDetails) -> bytes:
    """Strict JSON; raises `ClewError` for a number that it has no word for."""
    try:
        return json.dumps(details_to_json(details), allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise ClewError(f"{details.name} holds a number that JSON cannot write: {error}.") from error


def decode(data: bytes, layer: int, feature: int) -> FeatureDetails:
    """Details from the bytes of a JSON file; raises `ClewError` as `details_from_json`."""
    return details_from_json(parse(data), layer, feature)


def parse(data: bytes) -> Any:
    """JSON values; raises `ClewError` for what is none, NaN and infinity among it."""

    def refuse(word: str) -> float:
        raise ClewError(f"it holds {word}, which is no number.")

    try:
        return json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ClewError(f"it is no JSON, or was cut off ({str(error)[:80]}).") from error


def _example_to_json(example: Example) -> dict[str, Any]:
    return {
        "tokens": list(example.tokens),
        "tokens_acts_list": list(example.activations),
        "train_token_ind": example.peak,
        "is_repeated_datapoint": example.repeated,
    }


def _quantile(data: Any, where: str) -> Quantile:
    _check(isinstance(data, dict), f"{where} is no JSON object")
    name = _text(data.get("quantile_name", ""), f"{where}.quantile_name")
    return Quantile(name, _items(data, "examples", _example, where))


def _example(data: Any, where: str) -> Example:
    _check(isinstance(data, dict), f"{where} is no JSON object")
    tokens = _items(data, "tokens", _text, where)
    activations = _items(data, "tokens_acts_list", _number, where)
    if len(tokens) != len(activations):
        raise ClewError(f"{where} has {len(tokens)} tokens but {len(activations)} activations.")
    peak = data.get("train_token_ind")
    if peak is not None:
        _check(_is_whole(peak), f"{where}.train_token_ind is no whole number")
    inside = peak if peak is not None and 0 <= peak < len(tokens) else None
    return Example(tokens, activations, inside, data.get("is_repeated_datapoint") is True)


def _items(
    data: dict[str, Any], name: str, read: Callable[[Any, str], Item], where: str = ""
) -> tuple[Item, ...]:
    """Each item of a list read; a missing one or null is empty."""
    place = f"{where}.{name}" if where else name
    items = data.get(name)
    if items is None:
        return ()
    _check(isinstance(items, list), f"{place} is no list")
    _check(len(items) <= MOST_ITEMS, f"{place} has more than {MOST_ITEMS:,} items")
    return tuple(read(item, f"{place}[{number}]") for number, item in enumerate(items))


def _text(value: Any, where: str) -> str:
    _check(isinstance(value, str), f"{where} is no text")
    _check(len(value) <= LONGEST_TEXT, f"{where} has more than {LONGEST_TEXT:,} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ClewError(f"{where} holds half a character (a lone surrogate).") from None
    return value


def _output(value: Any, where: str) -> str:
    """A token, or `[token, logit]` as some tools write it."""
    pair_of_both = isinstance(value, list) and len(value) == 2
    return _text(value[0] if pair_of_both else value, where)


def _number(value: Any, where: str) -> float:
    try:
        _check(isinstance(value, int | float) and not isinstance(value, bool), f"{where} is no number")
        number = float(value)
    except OverflowError:
        number = math.inf
    _check(math.isfinite(number), f"{where} is not finite")
    return number


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
