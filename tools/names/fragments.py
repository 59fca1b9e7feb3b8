"""Measure which tokens are beginnings of words: `python -m tools.names.fragments` writes `fragments.txt`.

A token such as " strugg" looks like a word. The default model knows better: behind the sink, it is
nearly always followed by a token that continues the word. Names hold no such token.
"""

from __future__ import annotations

from pathlib import Path

import torch

import clew
from clew.graph.summary.words import is_nameable

OUT = Path(__file__).parents[2] / "src" / "clew" / "graph" / "summary" / "fragments.txt"
LEAST = 0.8
"""Probability of a continuation from which a token is a fragment."""
BATCH = 256
SHORTEST = 4
"""Letters of the shortest token that is asked about."""


def main() -> None:
    model = clew.load("smollm2")
    inner = model.language_model
    texts = [inner.token_text(token) for token in range(inner.text_config.vocab_size)]
    continues = torch.tensor([(text[:1].isalpha() and text.isascii()) or text[:1] == "'" for text in texts])
    asked = [
        token
        for token, text in enumerate(texts)
        if text[:1] == " " and is_nameable(text.strip()) and len(text.strip()) >= SHORTEST
    ]
    sink = texts.index("<filename>")
    found: set[str] = set()
    for begin in range(0, len(asked), BATCH):
        some = asked[begin : begin + BATCH]
        with torch.no_grad():
            stream = model.language_model.run(
                torch.tensor([[sink, token] for token in some]), logits_to_keep=1
            )
            chance = stream.logits[:, -1].float().softmax(-1)[:, continues].sum(-1)
        found |= {texts[token].strip() for token, p in zip(some, chance.tolist(), strict=True) if p >= LEAST}
        print(f"{begin + len(some):,} of {len(asked):,}", flush=True)
    OUT.write_text("\n".join(sorted(found)) + "\n")
    print(f"{len(found):,} of {len(asked):,} tokens are fragments")


if __name__ == "__main__":
    main()
