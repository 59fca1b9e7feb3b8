"""What the API says about indexes: what features fire on, and what they are called."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from clew.index.storage.label import LONGEST
from clew.server.schemas.base import Body, FromAttributes


class FeatureLabel(FromAttributes):
    """What a feature is called, and by whom."""

    text: str
    source: Literal["person", "model", "tokens"] = Field(description="`tokens`: made by rule.")
    author: str = Field(description="The person, the language model, or the rule.")
    confidence: float | None = Field(description="From a test on texts it was not made from, 0 to 1.")
    created: str


class IndexAbout(FromAttributes):
    """The texts that an index was made of."""

    model: str
    dictionary: str
    corpus: list[str] = Field(description="Files and folders, as they were named.")
    positions: int = Field(description="At how many tokens features were looked at.")
    texts: int
    complete: bool
    created: str
    generator: str


class GraphIndex(BaseModel):
    """The index of a graph's features, and what it calls them."""

    index: IndexAbout | None
    problem: str | None = Field(description="Why an index that is there cannot be used.")
    labels: dict[str, FeatureLabel] = Field(description="By name: `L12/4031`.")


class Example(FromAttributes):
    """A piece of text, with what the feature did on each token."""

    tokens: list[str]
    activations: list[float]
    peak_at: int = Field(description="The place of the strongest token.")
    peak: float


class ExampleGroup(FromAttributes):
    """Examples of one kind, the strongest first."""

    kind: int = Field(
        description="0 strongest, -1 most negative; from 1 on, and from -2 down, levels of each."
    )
    name: str
    examples: list[Example]


class Histogram(FromAttributes):
    """How often an activation lay between one edge and the next."""

    edges: list[float] = Field(description="One more than counts; a bin from 0 to 0 holds exact zeros.")
    counts: list[float] = Field(description="Whole numbers, save for what other tools measured.")


class TokenValue(FromAttributes):
    """A token and a number."""

    text: str
    value: float = Field(description="A logit, a share or an activation.")


class FeatureRecord(FromAttributes):
    """All that an index knows of one feature."""

    layer: int
    feature: int
    label: FeatureLabel | None
    positions: int
    frequency: float = Field(description="Share of positions at which it is not zero.")
    mean: float | None
    minimum: float | None
    maximum: float | None
    never_seen: bool
    histogram: Histogram
    quantiles: list[tuple[float, float]] = Field(description="(share, value below which it lies).")
    groups: list[ExampleGroup]
    top_outputs: list[TokenValue]
    bottom_outputs: list[TokenValue]
    frequent_tokens: list[TokenValue]
    strongest_tokens: list[TokenValue]
    frequent_low: list[TokenValue] = Field(description="The same two of the most negative activations.")
    strongest_low: list[TokenValue]


class LabelText(Body):
    """What a person calls a feature."""

    text: str = Field(max_length=LONGEST, description="Empty to take it back.")


class LabelNow(BaseModel):
    """What counts now."""

    label: FeatureLabel | None


class TextHit(BaseModel):
    """A feature of the graph that a search found."""

    feature: str = Field(description="Its name: `L12/4031`.")
    snippet: str


class EmbeddedIndex(BaseModel):
    """What a graph's page carries of an index where there is no server."""

    index: IndexAbout
    labels: dict[str, FeatureLabel]
    features: dict[str, FeatureRecord] = Field(description="Of the most influential ones alone.")
