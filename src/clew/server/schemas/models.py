"""The server, its models, and the preview of a prompt."""

from __future__ import annotations

from pydantic import BaseModel, Field

from clew.server.schemas.base import Body


class ServerLimits(BaseModel):
    """What the server takes in, and what it gives a page at once."""

    upload: int = Field(description="Bytes of a file.")
    page_nodes: int = Field(description="Nodes; of a larger graph the page gets a part.")
    page_edges: int = Field(description="Edges; of a larger graph the page gets a part.")


class LoadedModel(BaseModel):
    """A model and its dictionary, as `clew.load` was given them."""

    model: str
    dictionary: str


class ModelState(BaseModel):
    """What is kept in memory."""

    loaded: LoadedModel | None


class ServerInfo(BaseModel):
    """About the server."""

    version: str
    library: str = Field(description="The library's folder.")
    limits: ServerLimits
    model: ModelState


class ListedModel(BaseModel):
    """One line of `clew models`."""

    name: str
    reference: str = Field(description="What a job takes as its `model`.")
    note: str = Field(description="What it is, under which licence; or how to bring it.")
    ready: bool = Field(description="Whether it loads without the network.")


class PreviewRequest(Body):
    """A text to read with the loaded model."""

    model: str = Field(max_length=4096)
    dictionary: str = Field(default="neurons", max_length=4096)
    prompt: str = Field(min_length=1, max_length=1_000_000)
    sink: str | None = Field(default=None, max_length=2000)


class TokenProbability(BaseModel):
    """One next token."""

    text: str
    probability: float


class PromptPreview(BaseModel):
    """A text as the model reads it, and how it would go on."""

    tokens: list[str]
    predictions: list[TokenProbability]
    sink: str | None
