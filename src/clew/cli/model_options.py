"""Options that name a model and its features, and loading what they name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clew.cli.arguments import token_ids
from clew.cli.options import add_option, add_options
from clew.errors import ClewError
from clew.load_settings import LoadSettings
from clew.model.messages import PromptLike, chat_of

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


def add_chat(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--chat",
        nargs="+",
        metavar="TEXT",
        help="a chat in place of PROMPT, through the model's chat template: the user's TEXT, then the "
        "assistant's, the user's and so on; where the last is the assistant's, the model goes on from it",
    )
    group.add_argument("--system", metavar="TEXT", help="system prompt in front of --chat")


def prompt_of(arguments: argparse.Namespace, before: str = "") -> PromptLike:
    """The prompt, the ids of `--tokens` or the chat of `--chat`; `ClewError` unless exactly one is given.

    `before` is an option with several values, which would swallow a prompt behind it.
    """
    prompt: str | None = arguments.prompt
    ids: list[int] | None = arguments.tokens
    command, chat = arguments.command, arguments.chat
    if chat is None and arguments.system is not None:
        raise ClewError(f"--system needs --chat TEXT; see clew {command} --help")
    if chat is not None and (prompt is not None or ids is not None):
        raise ClewError(
            f"{command} takes a prompt, --tokens or --chat, not two of them; see clew {command} --help"
        )
    if chat is not None:
        return chat_of(chat, arguments.system)
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
