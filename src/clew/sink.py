"""A sink as graphs keep it: a first token without meaning that soaks up attention."""

from __future__ import annotations

from dataclasses import dataclass

from clew.token_text import quote

MOST_CHANGE = 0.25
"""KL divergence in nats above which a sink changes an answer much.

On 34 prompts of SmolLM2, at least a quarter of the probability had moved to other tokens above it.
"""

DISTURBS = (
    "The sink {sink} changes the answer on this prompt (KL {kl} nats, above {most}); pass --sink TOKEN for "
    "another or --sink none for no sink (sink= in Python)."
)
"""The sentence about a sink that changes an answer by more than `MOST_CHANGE`."""

MEASURED = "special tokens"
"""The words in the reason of a sink that was measured; older versions measured one for every prompt."""


@dataclass(frozen=True)
class Sink:
    """The meaningless first token that soaks up attention."""

    text: str
    token_id: int
    kl: float | None = None
    """KL divergence (nats) of the prompt's next token without it from that with it."""
    reason: str = ""
    mean_kl: float | None = None
    """The mean of this divergence over several fixed texts, for a sink that was measured for the model."""

    @property
    def warning(self) -> str:
        """A sentence about a sink that changes the answer much; empty for another one."""
        if self.kl is None or not self.kl > MOST_CHANGE:
            return ""
        return DISTURBS.format(sink=quoted(self.text), kl=f"{self.kl:.3g}", most=MOST_CHANGE)


def quoted(text: str | None) -> str:
    """A sink's text in quotation marks; "no sink" for None."""
    return "no sink" if text is None else quote(text)
