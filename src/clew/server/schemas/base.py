"""Bases of requests and answers, and the answer to a request that is refused."""

from __future__ import annotations

from typing import Any, Self, TypeVar, cast, dataclass_transform

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticSerializationError, to_json

from clew.options import options_of

ID = r"^[0-9a-f]{32}$"
"""Pattern of the ids of graphs and jobs."""

Class = TypeVar("Class")


def describe_fields(schema: dict[str, Any], owner: type) -> None:
    """Put the sentences below the fields of a class into its JSON schema, those of base classes too."""
    for name, option in options_of(owner).items():
        schema["properties"][name]["description"] = option.sentence


@dataclass_transform(frozen_default=True, kw_only_default=True)
def request(owner: type[Class]) -> type[Class]:
    """Make a class of what a client sends; it may inherit a settings class.

    Unknown fields, and numbers that are infinite or not a number, are refused.
    """
    config = ConfigDict(extra="forbid", allow_inf_nan=False, json_schema_extra=describe_fields)
    return cast(type[Class], dataclass(frozen=True, kw_only=True, config=config)(owner))


@request
class Body:
    """Base of everything that a client sends."""

    @model_validator(mode="after")
    def _is_text(self) -> Self:
        """JSON can spell half a character, which no file and no database can hold."""
        try:
            to_json(self)
        except PydanticSerializationError:
            raise ValueError("a text holds half a character (a lone surrogate)") from None
        return self


class FromAttributes(BaseModel):
    """Base of answers that are read from an object's attributes, or hold dataclasses of clew."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class Problem(BaseModel):
    """The reason why a request was refused."""

    detail: str = Field(description="One or more sentences for a person.")
