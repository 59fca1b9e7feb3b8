"""One of two processes of a training run on a tiny model; `test_ranks.py` starts it."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from clew.errors import ClewError
from clew.training.checkpoint import load_checkpoint, save_checkpoint
from clew.training.ranks import join_ranks
from tests.tiny import tiny_model
from tests.training.test_ranks import RUNS, STOP, begin_shared, weights


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    ranks = join_ranks()
    for name, options in RUNS.items():
        run = begin_shared(tiny_model("LlamaForCausalLM"), options, ranks)
        while not run.finished:
            run.advance()
            if run.step == STOP:
                state = run.state()
                if ranks.is_first:
                    (folder / name).mkdir()
                    save_checkpoint(folder / name, state)
        found = weights(run)
        if ranks.is_first:
            torch.save(found, folder / f"{name}.pt")
        again = begin_shared(tiny_model("LlamaForCausalLM"), options, ranks)
        again.restore(load_checkpoint(folder / name))
        assert again.is_finite
        if not ranks.is_first:
            with torch.no_grad():
                again.groups[0].stacked.encoder_bias[0] = torch.inf
        assert not again.is_finite
        assert not again.advance().fvu.isfinite().all()
    try:
        ranks.by_first(refuse)
    except ClewError as error:
        print(error, file=(folder / f"refused-{ranks.number}").open("w"))


def refuse() -> None:
    raise ClewError("The first process refuses; ask another one.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
