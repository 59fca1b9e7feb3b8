"""The processes of one run, a device each: what one of them has to itself, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor

from clew.errors import ClewError

Value = TypeVar("Value")

PATIENCE = timedelta(hours=24)
"""The time that a process waits for another one: the first may write text or measure all by itself."""


@dataclass(frozen=True)
class Ranks:
    """One process among those of a run; alone by default. All must call each method in the same order."""

    number: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """True for the process that reads text, writes files and shows progress."""
        return self.number == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of all processes' tensors."""
        if self.count == 1:
            return tensor
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    def largest(self, *numbers: float) -> tuple[float, ...]:
        """The largest of all processes' numbers, one by one."""
        if self.count == 1:
            return numbers
        found = torch.tensor(numbers, dtype=torch.float64)
        distributed.all_reduce(found, distributed.ReduceOp.MAX)
        return tuple(found.tolist())

    def by_first(self, work: Callable[[], Value]) -> Value:
        """The result of some work that only the first process does; its `ClewError` is raised in all."""
        if self.count == 1:
            return work()
        outcome: Value | ClewError | None = None
        if self.is_first:
            try:
                outcome = work()
            except ClewError as error:
                outcome = error
        shared: Any = self.share(outcome, 0)
        if isinstance(shared, ClewError):
            raise shared
        return shared

    def share(self, value: Value | None, owner: int) -> Value:
        """The owner's value, tensors in it on the CPU."""
        box: list[Any] = [value]
        if self.count > 1:
            distributed.broadcast_object_list(box, src=owner, device=torch.device("cpu"))
        return box[0]

    def to_first(self, value: Value | None, owner: int) -> Value | None:
        """The owner's value for the first process, tensors in it on the CPU; None for the others."""
        box: list[Any] = [value]
        if owner != 0 and self.number == owner:
            distributed.send_object_list(box, dst=0, device=torch.device("cpu"))
        elif owner != 0 and self.is_first:
            distributed.recv_object_list(box, src=owner, device=torch.device("cpu"))
        return box[0] if self.is_first else None

    def all_tokens(self, own: Tensor, owner: int | None = None) -> Tensor | None:
        """Rows of all processes, one process after the other, for one `owner` or for everyone."""
        if self.count == 1:
            return own
        own = own.contiguous()
        if owner is None:
            parts = [torch.empty_like(own) for _ in range(self.count)]
            distributed.all_gather(parts, own)
            return torch.cat(parts)
        wanted = [torch.empty_like(own) for _ in range(self.count)] if owner == self.number else None
        distributed.gather(own, wanted, dst=owner)
        return None if wanted is None else torch.cat(wanted)


ALONE = Ranks()
"""The only process of a run."""


def join_ranks() -> Ranks:
    """Join the processes that `torchrun` started, or be the only one; each takes a GPU of its own.

    Call it before the model is loaded.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return ALONE
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    if not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    return Ranks(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """A block in which this process is one of those that `torchrun` started."""
    ranks = join_ranks()
    yield ranks
    if ranks.count > 1:
        distributed.destroy_process_group()


def owners(costs: Sequence[int], count: int) -> tuple[int, ...]:
    """The process that holds each layer: the most costly layers first, each where there is least so far.

    Raises `ClewError` for more processes than layers.

    >>> owners([3, 2, 1], 2)
    (0, 1, 1)
    """
    if count > len(costs):
        raise ClewError(
            f"{count} processes cannot share {len(costs)} layers, of which each holds at least one; start at "
            f"most {len(costs)}."
        )
    load, found = [0] * count, [0] * len(costs)
    for layer in sorted(range(len(costs)), key=lambda layer: -costs[layer]):
        found[layer] = min(range(count), key=lambda number: load[number])
        load[found[layer]] += costs[layer]
    return tuple(found)
