"""`clew train`: train transcoders of a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.options import MEBIBYTE, add_option, add_options, settings_of
from clew.errors import ClewError
from clew.load_settings import LoadSettings
from clew.training.settings import TrainSettings, ignore_figures

if TYPE_CHECKING:
    from clew.training.ranks import Ranks
    from clew.training.session import Trained

SUMMARY = "train transcoders that replace a model's MLPs"
USAGE = "--out DIR [options]"
EXAMPLE = """\
example:
  clew train --model smollm2 --out my-transcoders
  clew train --model smollm2 --out my-transcoders --resume"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to train")
    add_option(what, LoadSettings, "reference", flag="--model", metavar="NAME")
    add_options(what, TrainSettings, kind="KIND", layers="WHICH", features="N", activation="HOW", l0="K")
    text = parser.add_argument_group("text")
    add_option(text, TrainSettings, "data", nargs="+", metavar="WHERE")
    add_options(text, TrainSettings, field="NAME", context="N", sink="TOKEN")
    add_option(text, TrainSettings, "leave_out", nargs="+", metavar="TOKEN")
    length = parser.add_argument_group("length")
    add_options(length, TrainSettings, minutes="M", tokens="T", end_to_end="T")
    add_options(length, TrainSettings, batch="T", end_to_end_batch="T")
    learning = parser.add_argument_group("learning")
    add_options(learning, TrainSettings, learning_rate="R", end_to_end_rate="R", local_weight="W")
    add_options(learning, TrainSettings, most_dense="P", dead_after="T", auxiliary="W", bandwidth="B")
    add_options(learning, TrainSettings, penalty_warm_up="P", near_sink_weight="W", begin="HOW")
    add_options(learning, TrainSettings, init_from="DIR", seed="N")
    output = parser.add_argument_group("output")
    add_option(output, TrainSettings, "out", metavar="DIR", type=Path)
    add_options(output, TrainSettings, bits="N", checkpoint="M", resume="", tensorboard="")
    machine = parser.add_argument_group("computation")
    add_options(machine, LoadSettings, device="D", dtype="T")
    add_option(machine, TrainSettings, "memory", unit=MEBIBYTE, metavar="MIB")


def run(arguments: argparse.Namespace) -> int:
    """Train, in one of the processes that `torchrun` started or alone; only the first one speaks."""
    from clew.training.ranks import joined_ranks

    with joined_ranks() as ranks:
        try:
            _train(arguments, ranks)
        except (ClewError, KeyboardInterrupt):
            if ranks.is_first:
                raise
            return 2
    return 0


def _train(arguments: argparse.Namespace, ranks: Ranks) -> None:
    """Check all that needs no model before one is loaded."""
    from clew.cli.progress import Progress
    from clew.cli.training_view import TrainingView
    from clew.facade import load_model
    from clew.training.preparation import check_before_loading
    from clew.training.session import train

    settings = settings_of(arguments, TrainSettings)
    loading = settings_of(arguments, LoadSettings)

    def check() -> None:
        check_before_loading(settings)

    ranks.by_first(check)
    with Progress(silent=not ranks.is_first) as progress, TrainingView(progress) as view:
        progress.stage(f"Loading {loading.reference}")
        model = load_model(
            loading.reference, device=loading.device, dtype=loading.dtype, on_note=progress.note
        )
        trained = train(
            model,
            settings,
            on_note=view.note,
            on_figures=view.figures if ranks.is_first else ignore_figures,
            on_text=lambda done, total: progress.work("Writing text", done, total),
            ranks=ranks,
        )
    if not trained.complete:
        raise KeyboardInterrupt(
            f"{trained.folder} holds the transcoders after step {trained.step:,} of {trained.n_steps:,}; the "
            "same command with --resume continues"
        )
    if ranks.is_first:
        _print_done(trained)


def _print_done(trained: Trained) -> None:
    from clew.cli.terminal import size

    n_bytes = sum(path.stat().st_size for path in trained.folder.glob("*.safetensors"))
    print(f"Saved  {trained.folder} ({trained.dictionary.kind}, {size(n_bytes)})")
    print(f"       {trained.figures}")
    if trained.figures is not None and trained.figures.verdict:
        print(f"       {trained.figures.verdict}")
