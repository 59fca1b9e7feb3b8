"""Options that name a model and its features, and loading what they name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clew.cli.arguments import token_ids
from clew.cli.options import add_option, add_options
from clew.errors import ClewError
from clew.load_settings import LoadSettings

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.dictionary.transcoder_set import TranscoderSet
    from clew.facade import Model


def add_prompt(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help=help)


def add_tokens(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--tokens", type=token_ids, metavar="IDS", help="token ids in place of PROMPT, such as 2,17,45"
    )


def prompt_of(arguments: argparse.Namespace, before: str = "") -> str | list[int]:
    """The prompt, or the ids of `--tokens`; raises `ClewError` unless exactly one is given.

    `before` is an option with several values, which would swallow a prompt behind it.
    """
    prompt: str | None = arguments.prompt
    ids: list[int] | None = arguments.tokens
    command = arguments.command
    if ids is not None and prompt is not None:
        raise ClewError(f"{command} takes a prompt or --tokens, not both; see clew {command} --help")
    if ids is None and not prompt:
        place = f" before {before}" if before else ""
        raise ClewError(f"{command} needs a prompt{place}; see clew {command} --help")
    return ids or prompt or ""


def add_model(group: argparse._ArgumentGroup) -> None:
    """Options that name a model and a dictionary."""
    add_option(group, LoadSettings, "reference", flag="--model", metavar="NAME")
    add_option(group, LoadSettings, "dictionary", metavar="REF")
    add_overrides(group)
    add_options(group, LoadSettings, check="")


def add_overrides(group: argparse._ActionsContainer) -> None:
    """Options that correct or complete the files of transcoders."""
    add_options(group, LoadSettings, read_point="POINT", write_point="POINT", k="N")


def add_machine(group: argparse._ArgumentGroup) -> None:
    """Options of device, number format and memory."""
    add_options(group, LoadSettings, device="D", dtype="T", low_memory="")


def load_model(settings: LoadSettings, progress: Progress) -> Model:
    """Load a model, and show that on the terminal."""
    progress.stage(f"Loading {settings.reference}")
    import clew

    return clew.load(**vars(settings), on_note=progress.note)


def read_transcoders(arguments: argparse.Namespace, progress: Progress) -> TranscoderSet:
    """Find or fetch the transcoders of `arguments.dictionary`; options of `add_overrides` apply."""
    from clew.dictionary.reference import load_transcoders

    progress.stage(f"Reading {arguments.dictionary}")
    return load_transcoders(
        arguments.dictionary,
        on_note=progress.note,
        read_point=arguments.read_point,
        write_point=arguments.write_point,
        k=arguments.k,
    )
