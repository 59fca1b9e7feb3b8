"""The size of a run: what is not named is chosen so that the run takes about the minutes that it may."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from clew.model.language_model import LanguageModel
from clew.training.end_to_end import EndToEnd
from clew.training.ranks import ALONE, Ranks
from clew.training.run import TrainingRun
from clew.training.settings import BATCH, MOST_END_TO_END, MOST_TOKENS, TrainSettings
from clew.training.text.batches import TextBatches
from clew.training.text.opening import TIMES_READ, WRITTEN_TOGETHER
from clew.training.text.own_text import drawn_tokens, write_texts

BATCHES = (512, 1024, 2048, 4096, BATCH)
STEPS, END_TO_END_STEPS = 1000, 500
"""Steps of a stretch that matter more than a large batch."""
LOCAL_SHARE = 0.6
"""The share of the time in which layers are trained by themselves."""
FEW = 5
"""A run with so many times fewer tokens than the most is said to be short."""
SPARE = 0.1
"""The share of the time for saving and measuring."""
COPIES_OF_LOGITS = 6
"""Arrays of the size of the logits that the last stretch holds at once."""
TRIED = {"cuda": (2048, 8192), "cpu": (128, 512)}
"""Tokens of the two steps that are timed, by device."""


@dataclass(frozen=True)
class Speed:
    """Seconds that a model and its transcoders take on this machine."""

    step: float
    """A step of the first stretch, whatever its batch."""
    token: float
    """Each token of it."""
    end_to_end: float
    """Each token of the last stretch."""
    written: float = 0.0
    """Each token that the model writes; 0 for text that is given."""

    def local(self, tokens: int, batch: int) -> float:
        """Seconds of the first stretch."""
        return tokens / batch * self.step + tokens * (self.token + self.written / TIMES_READ)

    def last(self, tokens: int) -> float:
        """Seconds of the last stretch."""
        return tokens * (self.end_to_end + self.written / TIMES_READ)


def sized(settings: TrainSettings, speed: Speed) -> TrainSettings:
    """The settings with all sizes chosen that they leave open."""
    seconds = 60 * settings.minutes * (1 - SPARE)
    tokens, end_to_end, batch = settings.tokens, settings.end_to_end, settings.batch
    if tokens is not None:
        if end_to_end is None:  # in proportion to what a long run takes
            end_to_end = min(MOST_END_TO_END, tokens * MOST_END_TO_END // MOST_TOKENS)
    else:
        if end_to_end is None:
            # Time that the first stretch cannot use goes to the last one, and the other way round.
            most_local = speed.local(MOST_TOKENS, batch or BATCH)
            for_last = max(seconds * (1 - LOCAL_SHARE), seconds - most_local)
            end_to_end = min(MOST_END_TO_END, int(for_last / speed.last(1)))
        batch, tokens = _in_time(seconds - speed.last(end_to_end), batch, speed)
    batch = batch or _batch_for(tokens, STEPS)
    last_batch = settings.end_to_end_batch or min(batch, _batch_for(end_to_end, END_TO_END_STEPS))
    return replace(
        settings,
        tokens=tokens,
        end_to_end=end_to_end,
        batch=max(batch, settings.context),
        end_to_end_batch=max(last_batch, settings.context),
    )


def seconds_of(settings: TrainSettings, speed: Speed) -> float:
    """Seconds that a run of chosen sizes takes."""
    return speed.local(settings.tokens or 0, settings.batch or BATCH) + speed.last(settings.end_to_end or 0)


def measure_speed(
    model: LanguageModel,
    layers: Sequence[int],
    settings: TrainSettings,
    *,
    sink: int,
    writes: bool,
    ranks: Ranks = ALONE,
) -> Speed:
    """Time a few steps of each kind, on texts of random tokens; all processes take them together.

    Args:
        model: The model.
        layers: The layers to train.
        settings: The transcoders.
        sink: The first token.
        writes: True if the model writes its text, which is timed too, in the first process.
        ranks: The processes that train together.
    """
    few, many = (max(1, tokens // settings.context) for tokens in TRIED.get(model.device.type, TRIED["cpu"]))
    batches = TextBatches(_random_texts(model, many, settings.context, sink), few, seed=0)
    run = TrainingRun(
        model,
        layers,
        batches,
        replace(settings, tokens=MOST_TOKENS, batch=few * settings.context),
        ranks,
        first_tokens=0,
    )
    run.local_rows = few
    run.advance()  # the first one is slower
    short = _seconds_of_step(run)
    run.local_rows = many
    long = _seconds_of_step(run)
    n_short, n_long = few * settings.context, many * settings.context
    token = max((long - short) / max(1, n_long - n_short), long / n_long / 4)  # a busy machine may err
    token_ids = batches.next()[: max(1, BATCHES[0] // settings.context)].to(model.device)
    end_to_end = [0.0]
    if settings.end_to_end != 0:
        last = EndToEnd(model, run.folded(), settings, ranks)
        run.own_layers = None
        if model.device.type == "cuda":
            last.step(token_ids, 0, 10)
        with _timed(model) as end_to_end:
            last.step(token_ids, 1, 10)
    written = 0.0
    if writes and ranks.is_first:
        n_texts, length = WRITTEN_TOGETHER.get(model.device.type, 64), min(9, settings.context)
        with _timed(model) as writing:
            write_texts(model, [()], n_texts, length, first_token=sink, batch=n_texts)
        written = writing[0] / (n_texts * (length - 1))
    return Speed(
        step=max(0.0, short - n_short * token),
        token=token,
        end_to_end=end_to_end[0] / token_ids.numel(),
        written=written,
    )


def estimate(settings: TrainSettings, speed: Speed) -> str:
    """A sentence about the size of a run and how long it takes."""
    tokens, end_to_end = settings.tokens or 0, settings.end_to_end or 0
    text = (
        f"The run takes about {duration(seconds_of(settings, speed))}: {tokens:,} tokens with each layer by "
        f"itself, {end_to_end:,} end to end."
    )
    if tokens < MOST_TOKENS // FEW:
        whole = speed.local(MOST_TOKENS, BATCH) + speed.last(MOST_END_TO_END)
        text += (
            f" A good dictionary takes some {MOST_TOKENS // 10**6} million tokens, about {duration(whole)} "
            "here: give more minutes, or tokens, for one."
        )
    return text


def duration(seconds: float) -> str:
    """`40 s`, `25 minutes`, `7.5 hours`, `3 days`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    for unit, size, least in (("days", 86400, 172800), ("hours", 3600, 6000), ("minutes", 60, 0)):
        if seconds >= least:
            number = seconds / size
            return f"{number:.0f} {unit}" if number >= 10 or unit == "minutes" else f"{number:.1f} {unit}"
    return ""


def _in_time(seconds: float, batch: int | None, speed: Speed) -> tuple[int, int]:
    """A batch, and the tokens that fit in some seconds: the largest batch that leaves steps enough."""
    for size in (batch,) if batch else reversed(BATCHES):
        tokens = min(MOST_TOKENS, max(size, int(seconds / speed.local(size, size) * size)))
        if tokens >= STEPS * size or size in (batch, BATCHES[0]):
            return size, tokens
    raise AssertionError("the smallest batch is always taken")


def _batch_for(tokens: int, steps: int) -> int:
    return max((size for size in BATCHES if tokens >= steps * size), default=BATCHES[0])


def _random_texts(model: LanguageModel, n_texts: int, length: int, sink: int) -> torch.Tensor:
    possible = drawn_tokens(model).nonzero().flatten().cpu()
    generator = torch.Generator().manual_seed(0)
    texts = possible[torch.randint(len(possible), (n_texts, length), generator=generator)]
    texts[:, 0] = sink
    return texts


def _seconds_of_step(run: TrainingRun) -> float:
    with _timed(run.model) as seconds:
        run.advance()
    return seconds[0]


@contextmanager
def _timed(model: LanguageModel) -> Iterator[list[float]]:
    """A block, and after it the seconds that it took."""
    seconds: list[float] = []
    begin = time.perf_counter()
    yield seconds
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)
    seconds.append(time.perf_counter() - begin)
