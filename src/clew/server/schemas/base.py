"""Bases of the schemas, and the JSON of a refusal."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticSerializationError

GRAPH_ID = r"^[0-9a-f]{32}$"


class Body(BaseModel):
    """What a client sends: unknown fields and numbers that are none are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _is_text(self) -> Self:
        """JSON can spell half a character, which no file and no database can hold."""
        try:
            self.model_dump_json()
        except PydanticSerializationError:
            raise ValueError("a text holds half a character (a lone surrogate)") from None
        return self


class FromAttributes(BaseModel):
    """Read from an object's attributes, not from a dictionary."""

    model_config = ConfigDict(from_attributes=True)


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="One or more sentences for a person.")
