"""The gallery as pages list it."""

from __future__ import annotations

from pydantic import BaseModel, Field


class GalleryEntry(BaseModel):
    """One annotated graph that comes with clew."""

    name: str = Field(description="Its name in the gallery.")
    title: str = Field(description="The kind of question.")
    prompt: str = Field(description="The prompt that was traced.")
    answer: str = Field(description="The model's likeliest next token.")
    summary: str = Field(description="One sentence about what the graph shows.")
