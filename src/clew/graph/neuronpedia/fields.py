"""Fields of Neuronpedia's graph JSON: their names, types, and a check of both."""

from __future__ import annotations

from typing import Any, NamedTuple

from clew.errors import ClewError


class Field(NamedTuple):
    """Types that a field may have."""

    types: tuple[type, ...]
    required: bool = False


TEXT, NUMBER = (str,), (int, float)

TOP_FIELDS = {
    "metadata": Field((dict,), True),
    "nodes": Field((list,), True),
    "links": Field((list,), True),
    "qParams": Field((dict,)),
}
METADATA_FIELDS = {
    "slug": Field(TEXT, True),
    "scan": Field(TEXT, True),
    "prompt": Field(TEXT, True),
    "prompt_tokens": Field((list,), True),
    "info": Field((dict,)),
    "generation_settings": Field((dict,)),
    "pruning_settings": Field((dict,)),
    "feature_details": Field((dict,)),
    "node_threshold": Field(NUMBER),
    "replacement_score": Field(NUMBER),
    "completeness_score": Field(NUMBER),
}
NODE_FIELDS = {
    "node_id": Field(TEXT, True),
    "feature": Field((int, type(None)), True),
    "layer": Field((str, int), True),
    "ctx_idx": Field((int,), True),
    "feature_type": Field(TEXT, True),
    "jsNodeId": Field(TEXT, True),
    "clerp": Field((str, type(None)), True),
    "influence": Field(NUMBER),
    "activation": Field(NUMBER),
    "token_prob": Field(NUMBER),
}
LINK_FIELDS = {
    "source": Field(TEXT, True),
    "target": Field(TEXT, True),
    "weight": Field(NUMBER, True),
}

LARGEST_FLOAT32 = 3.4028234663852886e38

JSON_NAME = {dict: "an object", list: "a list", str: "a string", int: "a whole number", float: "a number"}


def check_fields(where: str, item: Any, fields: dict[str, Field]) -> None:
    """Raise `ClewError` for a missing field, a wrong type, or a number that is not finite.

    Fields that are not required may be null. Fields that are not listed are not checked.
    """
    if not isinstance(item, dict):
        raise ClewError(f"{where} is {_shown(item)}; expected a JSON object.")
    for name, field in fields.items():
        if field.required and name not in item:
            raise ClewError(f'{where} lacks the field "{name}".')
        value = item.get(name)
        if value is None and (not field.required or type(None) in field.types):
            continue
        if not isinstance(value, field.types) or isinstance(value, bool):
            raise ClewError(f'{where}: "{name}" is {_shown(value)}; expected {_expected(field)}.')
        if field.types == NUMBER and isinstance(value, int | float) and not abs(value) <= LARGEST_FLOAT32:
            raise ClewError(f'{where}: "{name}" is {_shown(value)}; expected a finite number.')


def _expected(field: Field) -> str:
    if field.types == NUMBER:
        return "a number"
    return " or ".join(JSON_NAME[kind] for kind in field.types if kind in JSON_NAME)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
