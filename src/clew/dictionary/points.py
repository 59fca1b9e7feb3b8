"""Where features read the stream and where they write to it."""

from __future__ import annotations

from enum import Enum


class ReadPoint(Enum):
    """Where encoder directions live."""

    RESIDUAL = "the raw stream before the MLP's norm"
    NORMALIZED = "after the norm's scale, before its gain"
    MLP_INPUT = "after the norm's gain"


class WritePoint(Enum):
    """Where decoder directions live."""

    MLP_OUTPUT = "what the MLP computes, before a post-norm"
    STREAM = "what is added to the stream, after a post-norm"
