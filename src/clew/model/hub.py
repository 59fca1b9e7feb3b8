"""Models from the Hugging Face hub, and the hub's errors as sentences."""

from __future__ import annotations

import re
from pathlib import Path

from clew.errors import ClewError
from clew.model.cache import READ
from clew.model.weight_files import check_no_adapter

UNWANTED = ["*/*", "consolidated*"]
"""Copies of the weights for other frameworks, in subfolders or under Mistral's own name."""


def is_hub_id(reference: str) -> bool:
    """True for a text of the form `org/name` or `org/name@revision`."""
    return re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", reference) is not None


def fetch(reference: str) -> Path:
    """The local snapshot of `org/name[@revision]`, or the one GGUF file of a repository without safetensors.

    HF_HUB_OFFLINE and the Hugging Face cache apply. Raises `ClewError` for a model that cannot be fetched.
    """
    from huggingface_hub import hf_hub_download, snapshot_download

    repo, _, revision = reference.partition("@")
    try:
        folder = Path(
            snapshot_download(
                repo, revision=revision or None, allow_patterns=list(READ), ignore_patterns=UNWANTED
            )
        )
        if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
            return folder
        check_no_adapter(folder)
        if len(fetched := list(folder.glob("*.gguf"))) == 1:
            return fetched[0]
        files = repository_files(repo, revision or None)
        gguf = _only_gguf(reference, [file for file in files if file.endswith(".gguf")])
        return Path(hf_hub_download(repo, gguf, revision=revision or None))
    except ClewError:
        raise
    except Exception as error:  # the hub's errors share no base class, and the HTTP library's may change
        raise hub_error(reference, error, offline="name a folder or a .gguf file") from error


def repository_files(repo: str, revision: str | None) -> list[str]:
    """All files of a repository, from one request: paged requests would wait half a minute when offline."""
    from huggingface_hub import HfApi

    siblings = HfApi().model_info(repo, revision=revision).siblings or []
    return [sibling.rfilename for sibling in siblings]


def _only_gguf(reference: str, ggufs: list[str]) -> str:
    repo = reference.partition("@")[0]
    if not ggufs:
        raise ClewError(
            f"{reference} has neither safetensors weights with a config.json nor a .gguf file; name another "
            "repository."
        )
    if len(ggufs) > 1:
        raise ClewError(
            f"{reference} holds several .gguf files ({', '.join(ggufs)}); fetch one with "
            f"`hf download {repo} {ggufs[0]}`, then pass the path that this command prints."
        )
    return ggufs[0]


def hub_error(reference: str, error: Exception, *, offline: str) -> ClewError:
    """The hub's error about `org/name[/path][@revision]` as a sentence.

    `offline` says what to do without a network.
    """
    from huggingface_hub import errors

    path, _, revision = reference.partition("@")
    repo = "/".join(path.split("/")[:2])
    match error:
        case errors.GatedRepoError():
            return ClewError(
                f"{repo} is gated; accept its terms on https://huggingface.co/{repo}, "
                "then run `hf auth login` and try again."
            )
        case errors.RevisionNotFoundError():
            return ClewError(
                f"{repo} has no revision {revision!r}; see https://huggingface.co/{repo} for its revisions."
            )
        case errors.RepositoryNotFoundError():
            return ClewError(
                f"{repo} is neither a local folder nor a repository on the hub that you can see; check the "
                "spelling, or run `hf auth login` if it is private."
            )
        case errors.LocalEntryNotFoundError() | errors.OfflineModeIsEnabled():
            return ClewError(
                f"{reference} is neither a local folder nor in the Hugging Face cache, and the hub cannot be "
                f"reached (no network, or HF_HUB_OFFLINE is set); connect once, or {offline}."
            )
        case errors.EntryNotFoundError():
            return ClewError(
                f"{reference} does not exist; see https://huggingface.co/{repo}/tree/main for the files "
                f"of {repo}."
            )
        case errors.HFValidationError():
            return ClewError(f"{reference!r} is not a valid hub id; write one as org/name.")
    reason = (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
    return ClewError(f"{reference} cannot be fetched from the hub: {reason}; try again later.")
