"""The server, its models, and the preview of a prompt."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Len
from pydantic import BaseModel, Field

from clew.server.schemas.base import Body, FromAttributes, request

Prompt = Annotated[str, Len(1, 1_000_000)]
Token = Annotated[str, Len(0, 2000)]
Targets = Annotated[list[Annotated[str, Len(1, 2000)]], Len(0, 100)]


class ServerLimits(FromAttributes):
    """The largest files that the server takes, and the largest graph that it gives a page."""

    upload: int = Field(description="Bytes of a file.")
    page_nodes: int = Field(description="Nodes; of a larger graph a page gets the most influential part.")
    page_edges: int = Field(description="Edges; of a larger graph a page gets the most influential part.")


class LoadedModel(BaseModel):
    """A model and its dictionary, as `clew.load` was given them."""

    model: str = Field(description="The model.")
    dictionary: str = Field(description="The dictionary.")


class ModelState(BaseModel):
    """The model in memory."""

    loaded: LoadedModel | None = Field(description="The loaded model; null where none is loaded.")


class ServerInfo(BaseModel):
    """Facts about the server."""

    version: str = Field(description="Version of clew.")
    library: str = Field(description="The library's folder.")
    limits: ServerLimits = Field(description="The largest files and graphs.")
    model: ModelState = Field(description="The model in memory.")


class ListedModel(BaseModel):
    """One line of `clew models`."""

    name: str = Field(description="The name for people.")
    reference: str = Field(description="What a job takes as its `model`.")
    note: str = Field(description="Description and licence, or the command that downloads the model.")
    ready: bool = Field(description="Whether it loads without the network.")
    dictionaries: list[str] = Field(description="Short names of the dictionaries that are installed for it.")


@request
class ModelChoice(Body):
    """A model and the dictionary of its features."""

    model: Annotated[str, Len(1, 4096)]
    """A short name, a Hugging Face repository or a folder."""
    dictionary: Annotated[str, Len(0, 4096)] = "auto"
    """`auto` (the dictionary installed for the model, else its neurons), `neurons`, or a short name, a
    repository, a folder or a file of transcoders."""


@request
class Message(Body):
    """One message of a chat."""

    role: Annotated[str, Len(1, 100)]
    """`system`, `user`, `assistant`, `developer` or `tool`."""
    content: Annotated[str, Len(0, 1_000_000)]
    """The text."""


@request
class PromptChoice(ModelChoice):
    """A model and a prompt."""

    prompt: Prompt | Annotated[list[Message], Len(1, 1000)]
    """The text, or the messages of a chat, the oldest first, which the model's own chat template writes."""

    @property
    def prompt_like(self) -> str | list[dict[str, str]]:
        """The prompt as Python takes it."""
        if isinstance(self.prompt, str):
            return self.prompt
        return [{"role": each.role, "content": each.content} for each in self.prompt]


@request
class PreviewRequest(PromptChoice):
    """A prompt to read with the loaded model."""

    sink: Token | None = None
    """Text of the first token, which soaks up attention; `none` for none (by default chosen)."""
    targets: Targets | None = None
    """Targets to check: text, `id:7042`, or `A minus B` of these."""


class TokenProbability(BaseModel):
    """A next token and its probability."""

    text: str = Field(description="The token.")
    token_id: int | None = Field(default=None, description="Its id; null in results of clew 0.1.")
    probability: float = Field(description="Its probability.")


class Preview(BaseModel):
    """A prompt as the model reads it, and its likeliest next tokens."""

    tokens: list[str] = Field(description="The prompt's tokens, the sink among them.")
    roles: list[str] = Field(
        description="For a chat, the role of each token; `template` for what the template adds."
    )
    predictions: list[TokenProbability] = Field(description="The likeliest next tokens, likeliest first.")
    sink: str | None = Field(description="Text of the sink; null for none.")
    sink_problem: str | None = Field(description="The reason why the sink of the request cannot be used.")
    target_problems: list[str | None] = Field(
        description="For each target of the request the reason why it cannot be explained, or null."
    )
    notes: list[str] = Field(description="Sentences about what was noticed when the model was loaded.")


class GraphModel(BaseModel):
    """The model of a graph, and whether features can be changed with it."""

    state: Literal["loaded", "ready", "unknown", "elsewhere"] = Field(
        description="In memory; known on this machine; named by the file alone; or not named at all."
    )
    model: str = Field(description="Reference of the model; empty where the graph names none.")
    dictionary: str = Field(description="Reference of the dictionary.")
    seconds: float = Field(description="Seconds that loading takes; 0 for a loaded one.")
    reason: str = Field(description="The sentence on why features cannot be changed; empty where they can.")
