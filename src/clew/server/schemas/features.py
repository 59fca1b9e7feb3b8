"""Indexes: texts on which features are active, and labels of features."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Len
from pydantic import AliasPath, BaseModel, Field

from clew.index.storage.labels import LONGEST_LABEL
from clew.index.storage.record import Histogram, TokenValue
from clew.server.schemas.base import Body, FromAttributes, request

LabelSource = Literal["person", "model", "tokens"]


class FeatureLabel(FromAttributes):
    """A feature's label, and who or what made it."""

    text: str = Field(description="The label.")
    source: LabelSource = Field(description="Its maker: a person, a language model, or a rule on tokens.")
    author: str = Field(description="The person, the language model, or the rule.")
    confidence: float | None = Field(description="Share of a test that it passed, 0 to 1; null if untested.")
    created: str = Field(description="Time: ISO 8601, UTC.")


class IndexAbout(FromAttributes):
    """The texts that an index was made of."""

    model: str = Field(description="The model's name.")
    dictionary: str = Field(description="The dictionary's name.")
    corpus: list[str] = Field(description="Files and folders, as they were named.")
    positions: int = Field(description="Number of tokens at which features were measured.")
    texts: int = Field(description="Number of texts.")
    complete: bool = Field(description="Whether all texts were read.")
    created: str = Field(description="Time: ISO 8601, UTC.")
    generator: str = Field(description="The program that made it.")


class GraphIndex(BaseModel):
    """The index of a graph's dictionary, and its labels of the graph's features."""

    index: IndexAbout | None = Field(description="The index; null where there is none.")
    problem: str | None = Field(description="The reason why an existing index cannot be read.")
    labels: dict[str, FeatureLabel] = Field(description="Labels by name of the feature: `L12/4031`.")
    note: str = Field(description="A sentence about an index behind another first token; empty for none.")


class ExampleAnswer(FromAttributes):
    """A piece of text, with a feature's activation on each token."""

    tokens: list[str] = Field(description="The tokens.")
    activations: list[float] = Field(description="One activation for each token.")
    peak_at: int = Field(description="Place in `tokens` of the strongest activation.")
    peak: float = Field(description="The strongest activation.")


class ExampleGroupAnswer(FromAttributes):
    """Examples of one kind, the strongest first."""

    kind: int = Field(description="0 strongest, -1 most negative; from 1 on and from -2 down, weaker levels.")
    name: str = Field(description="The kind in words.")
    examples: list[ExampleAnswer] = Field(description="The examples.")


class FeatureRecordAnswer(FromAttributes):
    """Everything that an index knows of one feature."""

    layer: int = Field(validation_alias=AliasPath("feature", "layer"), description="Layer of the feature.")
    feature: int = Field(validation_alias=AliasPath("feature", "index"), description="Index in its layer.")
    label: FeatureLabel | None = Field(description="Its label; null for none.")
    positions: int = Field(description="Number of tokens at which it was measured.")
    frequency: float = Field(description="Share of positions at which it is not zero.")
    mean: float | None = Field(description="Mean activation over all positions.")
    minimum: float | None = Field(description="Smallest activation.")
    maximum: float | None = Field(description="Largest activation.")
    never_seen: bool = Field(description="Whether it was never active.")
    histogram: Histogram = Field(description="Counts of its activations.")
    quantiles: list[tuple[float, float]] = Field(description="Pairs (share, value below which it lies).")
    groups: list[ExampleGroupAnswer] = Field(description="Example texts.")
    top_outputs: list[TokenValue] = Field(description="Tokens that it promotes most, with logits per unit.")
    bottom_outputs: list[TokenValue] = Field(description="Tokens that it suppresses most, with logits.")
    frequent_tokens: list[TokenValue] = Field(description="Tokens of most peaks, with shares.")
    strongest_tokens: list[TokenValue] = Field(description="Tokens of the highest peaks, with activations.")
    frequent_low: list[TokenValue] = Field(description="`frequent_tokens` of the most negative activations.")
    strongest_low: list[TokenValue] = Field(description="`strongest_tokens` of the most negative ones.")


@request
class LabelText(Body):
    """A person's label of a feature."""

    text: Annotated[str, Len(0, LONGEST_LABEL)]
    """The label; empty to take it back."""


class LabelNow(BaseModel):
    """The label of a feature after a change."""

    label: FeatureLabel | None = Field(description="The label; null for none.")


class TextHit(BaseModel):
    """A feature of the graph that a search found."""

    feature: str = Field(description="Name of the feature: `L12/4031`.")
    snippet: str = Field(description="The text that holds the words.")


class EmbeddedIndex(BaseModel):
    """The part of an index that an exported page holds."""

    index: IndexAbout = Field(description="The index.")
    labels: dict[str, FeatureLabel] = Field(description="Labels by name of the feature.")
    features: dict[str, FeatureRecordAnswer] = Field(description="The most influential features by name.")
