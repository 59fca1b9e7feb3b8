"""Turns what a user names (a folder, a file, a hub path) into a set of transcoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from clew.dictionary.activation import TopK
from clew.dictionary.file_listing import (
    SETTINGS,
    FileListing,
    fetch_file,
    list_hub,
    list_local,
    parse_hub_path,
)
from clew.dictionary.formats import config_yaml
from clew.dictionary.formats.registry import choose_weights, load
from clew.dictionary.formats.transcoder_files import Overrides, TranscoderFiles
from clew.dictionary.read_write_points import ReadPoint, WritePoint, point_named
from clew.dictionary.transcoder_set import TranscoderSet
from clew.dictionary.wrong_references import refuse_other_files, refuse_other_folders, refuse_several_sets
from clew.errors import ClewError


def load_transcoders(
    reference: str | Path,
    *,
    on_note: Callable[[str], None] | None = None,
    read_point: ReadPoint | str | None = None,
    write_point: WritePoint | str | None = None,
    k: int | None = None,
) -> TranscoderSet:
    """Finds or fetches transcoders in any format that clew knows; large arrays stay on disk.

    ```python
    load_transcoders("mntss/clt-llama-3.2-1b-524k")           # a repository on the Hugging Face hub
    load_transcoders("org/repo/subfolder@revision")
    load_transcoders("hf://org/repo/path?revision=main")
    load_transcoders("org/repo/layer_*/width_16k")            # one of several sets, by a pattern
    load_transcoders("my-transcoders")                        # a local folder or a single weight file
    ```

    The format is told by files and arrays, never by a name. `read_point` and `write_point` (a point or its
    word, such as `"mlp-input"`) go before what the files say; `k` is for a TopK whose files do not say how
    many features are active. `on_note` hears what was chosen and what takes long.

    Raises ClewError, always one sentence, for what cannot be had, is damaged, does not belong together, or
    cannot be represented exactly.
    """
    note = on_note or _silent
    if k is not None and (type(k) is not int or k < 1):
        raise ClewError(
            "k says how many features of a layer are active at a position: a whole number from 1 on, not "
            f"{k!r}."
        )
    points = point_named(ReadPoint, read_point), point_named(WritePoint, write_point)
    try:
        listing = _listing(reference, note)
        overrides = Overrides(*points, k)
        found = load(_source(listing, overrides, note), note)
    except OSError as error:
        raise ClewError(f"{reference} cannot be read ({error.strerror or error}).") from error
    for layer, part in found.layers.items():
        if isinstance(part.activation, TopK) and part.activation.k > part.n_features:
            raise ClewError(
                f"{reference} keeps {part.activation.k:,} features of a position in layer {layer}, which has "
                f"only {part.n_features:,}: k is wrong."
            )
        if k is not None and part.activation != TopK(k):
            raise ClewError(
                f"{reference} itself says how many features are active (layer {layer} has the activation "
                f"{part.activation.name}): leave out --k (k in Python)."
            )
    return found


def names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def short_name(reference: str | Path) -> str:
    """What a reference is called in reports and graphs: a local folder's own name, a hub path as it is.

    ```python
    short_name("/data/clt-smollm2")           # clt-smollm2
    short_name("clt-smollm2/layer_3.npz")     # clt-smollm2/layer_3.npz
    short_name("hf://org/name@revision")      # org/name
    ```
    """
    text = str(reference).strip()
    path = Path(text).expanduser()
    if not text.startswith("hf://"):
        if path.is_dir():
            parts = path.resolve().parts
            generic = parts[-1] in ("transcoders", "dictionary", "set", "weights")
            return "/".join(parts[-2:] if generic else parts[-1:]) or text
        if path.is_file():
            return "/".join(path.resolve().parts[-2:])
    hub_path = parse_hub_path(text)
    return str(replace(hub_path, revision=None)) if hub_path else text


def _listing(reference: str | Path, note: Callable[[str], None]) -> FileListing:
    text = str(reference).strip().removeprefix("https://huggingface.co/").replace("/tree/main", "")
    if not text:
        raise ClewError(f"No transcoders were named: give {_accepted()}.")
    path = Path(text).expanduser()
    if not text.startswith("hf://") and (local := list_local(path)):
        if not local.whole:
            refuse_other_files(path)
        return local
    hub_path = parse_hub_path(text) if isinstance(reference, str) else None
    if hub_path is None or text.startswith((".", "/", "~")):
        raise ClewError(f"{text} is neither a folder nor a file here: give {_accepted()}.")
    if path.parent.is_dir() and (near := get_close_matches(path.name, names_in(path.parent), 3)):
        raise ClewError(f"{text} is not here; {path.parent} holds {', '.join(near)}: give one of them.")
    note(f"Looking for {hub_path} on the Hugging Face hub ...")
    return list_hub(hub_path)


def _source(listing: FileListing, overrides: Overrides, note: Callable[[str], None]) -> TranscoderFiles:
    said = None
    if config_yaml.FILE in listing.files:
        said = config_yaml.read_config(listing.fetch([config_yaml.FILE])[config_yaml.FILE])
    if said and said.links and listing.whole:
        linked = _linked(listing, said)
        numbers = {name: layer for layer, name in enumerate(linked)}
        return TranscoderFiles(listing.name, linked, said, overrides, numbers)
    refuse_several_sets(listing)
    weights = choose_weights(listing.files, listing.name, note)
    refuse_other_folders(listing, weights)
    wanted = weights + [file for file in listing.files if _is_settings_of(file, weights)]
    return TranscoderFiles(listing.name, listing.fetch(wanted), said, overrides, whole=listing.whole)


def _linked(listing: FileListing, said: config_yaml.SetConfig) -> Mapping[str, Path]:
    """The files that config.yaml lists, fetched one by one, in its order."""
    found = {}
    for link in said.links:
        hub_path = parse_hub_path(link) if link.startswith("hf://") else None
        if hub_path and hub_path.path:
            found[hub_path.path if hub_path.path not in found else str(hub_path)] = fetch_file(hub_path)
        elif not link.startswith("hf://") and (file := said.path.parent / link).is_file():
            found[link] = file
        elif link in listing.files:
            found[link] = listing.fetch([link])[link]
        else:
            raise ClewError(
                f"{said.path} lists {link}, which is neither a file beside it nor a link such as "
                "hf://org/repo/path."
            )
    return found


def _is_settings_of(file: str, weights: list[str]) -> bool:
    folder, _, name = file.rpartition("/")
    return name in SETTINGS and (not folder or any(folder == weight.rpartition("/")[0] for weight in weights))


def _accepted() -> str:
    return "a folder of weights, a .safetensors or .npz file, or a hub path such as org/repo/subfolder"


def _silent(_: str) -> None:
    pass
