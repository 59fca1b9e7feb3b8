"""References to transcoders: a folder, a file or a hub path leads to a set, or to a message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path, PureWindowsPath

import torch

from clew.dictionary.activation import TopK
from clew.dictionary.file_listing import (
    SETTINGS,
    FileListing,
    fetch_file,
    list_hub,
    list_local,
    parse_hub_path,
    some_of,
)
from clew.dictionary.formats import config_yaml
from clew.dictionary.formats.array_file import SUFFIXES
from clew.dictionary.formats.config_keys import shown
from clew.dictionary.formats.registry import choose_weights, layouts, load
from clew.dictionary.formats.transcoder_files import Overrides, TranscoderFiles
from clew.dictionary.layer_numbers import layers_named
from clew.dictionary.read_write_points import ReadPoint, WritePoint, point_named
from clew.dictionary.short_names import NAMED_DICTIONARIES, named_folder
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.dictionary.weights import QuantisedWeights
from clew.errors import ClewError
from clew.files import cannot_read, named_path
from clew.options import option_name
from clew.progress import OnNote, ignore_note

ACCEPTED = (
    "a folder of weights, a .safetensors or .npz file, a short name (see clew dictionary list), or a hub "
    "path such as org/repo/subfolder"
)
"""The kinds of reference, for the end of a message."""
ROWS_COMPARED = 8
"""Decoder rows by which two layers' arrays are compared, besides their biases."""
PICKLED = (".pt", ".bin", ".pth", ".ckpt", ".pkl")
MODEL_WEIGHTS = re.compile(r"(model|pytorch_model|consolidated)[\w.-]*\.(safetensors|bin)|[\w.-]+\.gguf")


def load_transcoders(
    reference: str | Path,
    *,
    on_note: OnNote | None = None,
    read_point: ReadPoint | str | None = None,
    write_point: WritePoint | str | None = None,
    k: int | None = None,
) -> TranscoderSet:
    """Find or fetch transcoders in any supported format; large arrays stay on disk.

    ```python
    load_transcoders("mntss/clt-llama-3.2-1b-524k")           # a repository on the Hugging Face hub
    load_transcoders("org/repo/subfolder@revision")
    load_transcoders("hf://org/repo/path?revision=main")
    load_transcoders("org/repo/layer_*/width_16k")            # one of several sets, by a pattern
    load_transcoders("my-transcoders")                        # a local folder or a single weight file
    ```

    The files and arrays decide the format; no name does.

    Args:
        reference: A folder, a file, or a path on the hub.
        on_note: Called with a sentence about a choice among files, and before something takes long; by
            default nothing is called.
        read_point: A `ReadPoint` or its name, such as `"mlp-input"`, in place of the files' own.
        write_point: A `WritePoint` or its name, such as `"stream"`, in place of the files' own.
        k: The number of features that a TopK keeps at a position, for files that do not say it.

    Returns:
        The transcoders by layer, not yet bound to a model.

    Raises:
        ClewError: The files cannot be fetched, are damaged, do not belong together, or have settings that
            clew cannot represent exactly. The message is one sentence.
    """
    note = on_note or ignore_note
    if k is not None and (type(k) is not int or k < 1):
        raise ClewError(
            f"k is the number of active features, so it must be a whole number from 1, not {k!r}."
        )
    points = point_named(ReadPoint, read_point), point_named(WritePoint, write_point)
    try:
        remarks: list[str] = []
        files = _fetch(_listing(reference, note), Overrides(*points, k), note)
        transcoders = load(replace(files, on_remark=remarks.append), note)
        if any(points):
            transcoders = replace(transcoders, hooks=())  # the caller's points count instead
    except OSError as error:
        raise cannot_read(reference, error) from error
    for layer, part in transcoders.layers.items():
        if isinstance(part.activation, TopK) and part.activation.k > part.n_features:
            raise ClewError(
                f"{reference} keeps {part.activation.k:,} features at a position in layer {layer}, which has "
                f"only {part.n_features:,}; correct k."
            )
        if k is not None and part.activation != TopK(k):
            raise ClewError(
                f"{reference} itself sets the number of active features (layer {layer} has the activation "
                f"{part.activation.name}); leave out {option_name('k')}."
            )
    return replace(transcoders, remarks=(*dict.fromkeys(remarks), *_oddities(transcoders)))


def _oddities(transcoders: TranscoderSet) -> Iterator[str]:
    """Sentences about layers that are missing in between, or differ in width or activation."""
    layers = transcoders.layers
    if missing := sorted(set(range(min(layers), max(layers))) - set(layers)):
        yield f"There are no transcoders for {layers_named(missing)}, so these have no features."
    packed = [each.encoder for each in layers.values() if isinstance(each.encoder, QuantisedWeights)]
    if not all(each.fits_its_groups(torch.arange(min(ROWS_COMPARED, each.shape[0]))) for each in packed):
        yield (
            f"Some groups of {packed[0].group} packed integers do not reach the largest one, as if they were "
            f"packed in groups of another size; check {config_yaml.GROUP}."
        )
    for one, other in _twins(layers):
        yield f"Layers {one} and {other} hold the same arrays, as two copies of one file; fetch one again."
    for fact, values in (
        ("numbers of features", {layer: f"{part.n_features:,}" for layer, part in layers.items()}),
        ("activations", {layer: part.activation.kind for layer, part in layers.items()}),
    ):
        if len(set(values.values())) > 1:
            groups = [
                f"{value} in {layers_named(layer for layer, each in values.items() if each == value)}"
                for value in dict.fromkeys(values.values())
            ]
            yield (f"The layers have different {fact}: {', '.join(groups)}.")


def _twins(layers: Mapping[int, LayerTranscoder]) -> Iterator[tuple[int, int]]:
    """Pairs of layers with the same arrays, as two copies of one file give them."""
    seen: dict[tuple[int, bytes], int] = {}
    for layer, part in layers.items():
        some = torch.arange(min(ROWS_COMPARED, part.n_features))
        vectors = [part.encoder_bias.read(), part.decoder.rows(some, 0)]
        key = part.n_features, b"".join(vector.numpy().tobytes() for vector in vectors)
        if key in seen and any(bool(vector.any()) for vector in vectors):  # untrained ones may be all zeros
            yield seen[key], layer
        seen.setdefault(key, layer)


def short_name(reference: str | Path) -> str:
    """The name of a reference in reports and graphs: a local folder's own name, or the hub path.

    ```python
    short_name("/data/clt-smollm2")           # clt-smollm2
    short_name("clt-smollm2/layer_3.npz")     # clt-smollm2/layer_3.npz
    short_name("hf://org/name@revision")      # org/name
    ```
    """
    text = str(reference).strip()
    path = named_path(text)
    if text in NAMED_DICTIONARIES:
        return text
    if not text.startswith("hf://"):
        if path.is_dir():
            parts = path.resolve().parts
            generic = parts[-1] in ("transcoders", "dictionary", "set", "weights")
            return "/".join(parts[-2:] if generic else parts[-1:]) or text
        if path.is_file():
            return "/".join(path.resolve().parts[-2:])
    hub_path = parse_hub_path(text)
    return str(replace(hub_path, revision=None)) if hub_path else text


def _listing(reference: str | Path, note: OnNote) -> FileListing:
    text = str(reference).strip().removeprefix("https://huggingface.co/").replace("/tree/main", "")
    if not text:
        raise ClewError(f"The reference to transcoders is empty; pass {ACCEPTED}.")
    path = named_folder(text) or named_path(text)
    if not text.startswith("hf://") and (local := list_local(path)):
        if not local.whole:
            refuse_other_files(path)
        return local
    hub_path = parse_hub_path(text) if isinstance(reference, str) else None
    if "/" not in text and get_close_matches(text.lower(), ["neurons"], 1, cutoff=0.7):
        raise ClewError(
            f"{text} is neither a folder nor a file; for the model's own neurons, name neurons. For "
            f"transcoders, pass {ACCEPTED}."
        )
    if meant := get_close_matches(text.lower(), NAMED_DICTIONARIES, 1, cutoff=0.7):
        raise ClewError(
            f"{text} is neither a folder nor a file; the dictionary with that name is {meant[0]}."
        )
    if hub_path is None or text.startswith((".", "/", "~")):
        raise ClewError(f"{text} is neither a folder nor a file; pass {ACCEPTED}.")
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    if near := get_close_matches(path.name, names, 3):
        raise ClewError(
            f"{text} does not exist, but {path.parent} holds {', '.join(near)}; name one of them."
        )
    note(f"Looking for {hub_path} on the Hugging Face hub ...")
    return list_hub(hub_path)


def _fetch(listing: FileListing, overrides: Overrides, note: OnNote) -> TranscoderFiles:
    """The files of a listing that a format needs, on this disk."""
    config = None
    if config_yaml.FILE in listing.files:
        config = config_yaml.read_config(listing.fetch([config_yaml.FILE])[config_yaml.FILE])
    if config and config.links and listing.whole:
        linked = _linked_files(listing, config)
        numbers = {name: layer for layer, name in enumerate(linked)}
        return TranscoderFiles(listing.name, linked, config, overrides, numbers)
    refuse_several_sets(listing)
    weights = choose_weights(listing.files, listing.name, note)
    refuse_other_folders(listing, weights)
    names = weights + [file for file in listing.files if _is_settings_of(file, weights)]
    paths = listing.fetch(names)
    return TranscoderFiles(listing.name, paths, config, overrides, whole=listing.whole)


def _linked_files(listing: FileListing, config: config_yaml.SetConfig) -> Mapping[str, Path]:
    """The files that config.yaml lists, fetched one by one, in its order."""
    files = {}
    for link in config.links:
        if not link.startswith("hf://") and _leaves_its_folder(link):
            raise ClewError(
                f"{config.path} lists {shown(link)}, which lies outside its folder; name a file in the "
                "folder, or a link such as hf://org/repo/path."
            )
        hub_path = parse_hub_path(link) if link.startswith("hf://") else None
        if hub_path and hub_path.path:
            files[hub_path.path if hub_path.path not in files else str(hub_path)] = fetch_file(hub_path)
        elif not link.startswith("hf://") and (file := config.path.parent / link).is_file():
            files[link] = file
        elif link in listing.files:
            files[link] = listing.fetch([link])[link]
        else:
            raise ClewError(
                f"{config.path} lists {shown(link)}, which is neither a file beside it nor a link such as "
                "hf://org/repo/path; correct it."
            )
    return files


def _leaves_its_folder(link: str) -> bool:
    windows = PureWindowsPath(link)
    absolute = link.startswith(("/", "\\", "~")) or bool(windows.drive)
    return absolute or ".." in windows.parts or "\0" in link


def _is_settings_of(file: str, weights: list[str]) -> bool:
    folder, _, name = file.rpartition("/")
    return name in SETTINGS and (not folder or any(folder == weight.rpartition("/")[0] for weight in weights))


def refuse_other_files(path: Path) -> None:
    """Raise `ClewError` for a single file that cannot hold weights."""
    if path.suffix == ".clew":
        raise ClewError(f"{path} is a graph, not transcoders; name a folder of weights.")
    if path.suffix == ".json":
        raise ClewError(f"{path} is a JSON file, not transcoders; name a folder of weights.")
    if path.suffix == ".gguf":
        raise _model(str(path))
    if path.suffix in PICKLED:
        raise _pickled(str(path), path.name)
    if path.suffix not in SUFFIXES:
        raise ClewError(
            f"{path} is neither a .safetensors nor an .npz file; name weights in one of the formats "
            f"{layouts()}."
        )


def refuse_other_folders(listing: FileListing, weights: list[str]) -> None:
    """Raise `ClewError` for a folder or repository that is a model, is pickled, or has no weights."""
    top = [file for file in listing.files if "/" not in file]
    if any(MODEL_WEIGHTS.fullmatch(file) for file in top):
        raise _model(listing.name)
    if weights:
        return
    pickled = [file for file in listing.files if file.endswith(PICKLED)]
    if pickled:
        raise _pickled(listing.name, pickled[0])
    raise ClewError(
        f"{listing.name} holds no transcoders (its files: {some_of(listing.files) or 'none'}); name weights "
        f"in one of the formats {layouts()}."
    )


def refuse_several_sets(listing: FileListing) -> None:
    """Raise `ClewError` for several subfolders with a config.yaml each, if the folder itself has none."""
    sets = sorted(file.rpartition("/")[0] for file in listing.files if file.endswith("/config.yaml"))
    if sets and "config.yaml" not in listing.files:
        raise ClewError(f"{listing.name} holds transcoders in subfolders; name one of {some_of(sets)}.")


def _model(name: str) -> ClewError:
    return ClewError(
        f"{name} is a model, not transcoders; pass it as the model, and a folder of weights as the "
        "dictionary."
    )


def _pickled(name: str, file: str) -> ClewError:
    return ClewError(
        f"{name} holds pickled weights ({file}), and loading a pickle runs code from it; if you trust them, "
        "convert them to safetensors."
    )
