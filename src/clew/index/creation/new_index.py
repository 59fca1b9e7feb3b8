"""From texts to an index in its place: a new one, one to go on with, or one in place of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.index.creation.corpus import OnSkip
from clew.index.creation.indexing import index_texts
from clew.index.creation.replacing import being_made, check_replaceable, replace_index
from clew.index.settings import IndexSettings
from clew.index.storage.locations import default_place
from clew.index.storage.metadata import About, read_about
from clew.index.storage.schema import connect
from clew.model.language_model import LanguageModel
from clew.progress import OnProgress, ignore_progress


@dataclass(frozen=True)
class MadeIndex:
    """Where an index lies after a run, and what became of it."""

    path: Path
    about: About
    labels: int = 0
    """How many went over from the index that was there before."""
    read: bool = True
    """False where it was complete already, and so nothing was read."""


def make_index(
    model: LanguageModel,
    dictionary: Dictionary,
    data: Sequence[str | Path],
    settings: IndexSettings,
    *,
    on_progress: OnProgress = ignore_progress,
    on_skip: OnSkip = lambda reason, path: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> MadeIndex:
    """`index_texts` to `settings.out`, which with `settings.replace` may be there already.

    The old index stays until the new one is complete, and its labels go over; so does a copy of the small one
    that comes with clew, without being told. Raises `ClewError` as `index_texts` and `replace_index` do, and
    for an old index of other features.
    """
    usual = _usual_place(model, dictionary, settings.shard)
    final = usual if settings.out is None else Path(settings.out).expanduser()
    known = _known(final) if final.is_file() else None
    if known and known.complete and not known.partial and settings.resume and not settings.replace:
        return MadeIndex(final, known, read=False)
    replaces = known is not None and (settings.replace or known.bundled)
    path = being_made(final) if replaces else final
    if known and replaces:
        check_replaceable(known, final, model.name, dictionary.name)
        if path.exists() and not settings.resume:
            raise ClewError(f"{path} is left of a run that was stopped; add --resume to go on, or remove it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    about = index_texts(
        model,
        dictionary,
        data,
        path,
        settings,
        on_progress=on_progress,
        on_skip=on_skip,
        should_stop=should_stop,
    )
    if path == final or not about.complete:
        return MadeIndex(path, about)
    return MadeIndex(final, about, replace_index(final, path))


def _known(path: Path) -> About:
    with closing(connect(path)) as connection:
        return read_about(connection, path)


def _usual_place(model: LanguageModel, dictionary: Dictionary, part: tuple[int, int]) -> Path:
    place = default_place(model.name, dictionary.name)
    return place if part == (1, 1) else place.with_suffix(f".{part[0]}-of-{part[1]}.sqlite3")
