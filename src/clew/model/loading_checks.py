"""Checks that a network has exactly the weights of its files: first of names and shapes, then of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from clew.errors import ClewError
from clew.model.architecture import network_class
from clew.model.constants import FREQUENCIES, MASKS, POSITIONS
from clew.model.library_calls import library_call
from clew.model.transformers_logging import quiet_transformers
from clew.model.weight_files import FLOATS, StoredTensor, check_experts, listed

HARMLESS = {
    FREQUENCIES: "the rotation's frequencies, which follow from config.json",
    MASKS: "causal masks that GPT-2 and GPT-NeoX saved",
    POSITIONS: "the numbers 0, 1, 2 ...",
}
"""Patterns of tensors that files may hold although no network reads them, with the reason; `check_constants`
looks whether that is true of their numbers.

transformers leaves out a few others by itself: layers that predict further tokens, for example. It also
gives a tied head that is absent the embedding's weights.
"""
TOWERS = r"(^|\.)(vision_tower|vision_model|multi_modal_projector|audio_tower|embed_vision|embed_audio)\."
"""Parts of a multimodal model that no text reaches; they may be absent, or be left over beside a decoder."""
LAYER = r"(?:^|\.)(?:layers|h)\.(\d+)\."
MOST_BUFFER_BYTES = 4 * 2**30
"""More than any model computes from its config.json (masks and rotations)."""
TOKENS_IN_TRY = 2
"""Length of the try run after loading."""


class Plan(NamedTuple):
    """The outcome of loading a folder's tensors without their numbers; names are the network's."""

    missing: list[str]
    left_over: list[str]
    other_shape: list[tuple[str, list[int], list[int]]]
    """Name, shape in the file, shape in the network."""


def check_plan(folder: Path, config: Any, tensors: Mapping[str, StoredTensor]) -> None:
    """Raise `ClewError` unless the files hold the network's tensors, all of them and no others.

    transformers loads tensors without numbers, by its own rules of names, so that nothing is read yet.
    """
    multimodal = config.get_text_config() is not config
    harmless = "|".join([*HARMLESS, TOWERS] if multimodal else HARMLESS)
    check_experts(folder, tensors)
    plan = _plan(folder, config, tensors)
    missing = [name for name in plan.missing if not (multimodal and re.search(TOWERS, name))]
    left_over = [name for name in plan.left_over if not re.search(harmless, name)]
    if missing or left_over:
        facts = []
        if missing:
            facts.append(f"lack {_count(missing)} that the model needs: {listed(missing)}")
        if left_over:
            facts.append(f"hold {_count(left_over)} that nothing in the model reads: {listed(left_over)}")
        advice = _advice(config.get_text_config().num_hidden_layers, tensors, missing, left_over)
        raise ClewError(f"The files in {folder} {'; and they '.join(facts)}; {advice}.")
    if plan.other_shape:
        shapes = listed([f"{name} {file} instead of {own}" for name, file, own in plan.other_shape])
        raise ClewError(
            f"The files in {folder} hold {_count(plan.other_shape)} in other shapes than config.json says: "
            f"{shapes}; fetch config.json and weights of the same model."
        )
    if odd := [
        f"{name} ({each.kind})"
        for name, each in tensors.items()
        if each.kind not in FLOATS and not re.search(harmless, name)
    ]:
        raise ClewError(
            f"The files in {folder} hold {listed(odd)}, so they are quantised or damaged, and clew traces in "
            "float weights only; take the unquantised model."
        )


def _plan(folder: Path, config: Any, tensors: Mapping[str, StoredTensor]) -> Plan:
    kind, config = network_class(config)
    hollow = {name: torch.empty(each.shape, device="meta") for name, each in tensors.items()}
    options: dict[str, Any] = {"config": config, "state_dict": hollow, "device_map": {"": "meta"}}
    options["attn_implementation"] = "eager"  # as it is loaded, whatever the configuration asks for

    def sentence(reason: str) -> str:
        return f"The weights in {folder} do not fit its config.json: {reason}; fetch both again."

    with quiet_transformers(), library_call(sentence):
        network, report = kind.from_pretrained(
            None, **options, ignore_mismatched_sizes=True, output_loading_info=True
        )
        size = sum(buffer.numel() * buffer.element_size() for buffer in network.buffers())
    if size > MOST_BUFFER_BYTES:
        raise ClewError(
            f"{folder / 'config.json'} asks for {size / 2**30:,.0f} GiB of masks and rotations; correct its "
            "sizes."
        )
    shapes = [(name, list(file), list(own)) for name, file, own in report["mismatched_keys"]]
    return Plan(sorted(report["missing_keys"]), sorted(report["unexpected_keys"]), sorted(shapes))


def _count(names: Sequence[object]) -> str:
    return "a tensor" if len(names) == 1 else f"{len(names):,} tensors"


def _advice(n_layers: int, tensors: Iterable[str], missing: list[str], left_over: list[str]) -> str:
    """Advice on what to do, as far as the names tell."""
    for name in missing:
        for other in left_over:
            if other.endswith(f".{name}"):
                return f"save the inner model, without the prefix {other.removesuffix(name)!r} of its names"
    if missing and all(name.endswith("lm_head.weight") for name in missing):
        return "set tie_word_embeddings in config.json if its head is the embedding, or fetch the whole model"
    decoder = [name for name in tensors if not re.search(TOWERS, name)]
    numbers = {int(match[1]) for name in decoder if (match := re.search(LAYER, name))}
    if numbers and numbers != set(range(n_layers)):
        return f"config.json says {n_layers} layers and the files hold {len(numbers)}, so fetch both again"
    return "fetch the model again, or save it with `save_pretrained`"


def check_loaded(folder: Path, network: Any, dtype: str) -> None:
    """Raise `ClewError` for weights that are not finite, an untied head, and a network that does not run.

    The numbers are checked after they were cast to `dtype`, which may overflow.
    """
    if bad := [name for name, weight in network.named_parameters() if not _is_finite(weight)]:
        advice = "load it in bfloat16 or float32, or " if dtype == "float16" else ""
        raise ClewError(
            f"The weights in {folder} are NaN or infinite in {listed(bad)} (as {dtype}); {advice}fetch the "
            "model again."
        )
    head, embedding = network.get_output_embeddings(), network.get_input_embeddings()
    if network.config.tie_word_embeddings and head.weight is not embedding.weight:
        raise ClewError(
            f"{folder} holds an unembedding that differs from the embedding, though its config.json says "
            "that they are the same (tie_word_embeddings); set it to false or remove the tensor, as is right."
        )
    ids = torch.arange(TOKENS_IN_TRY)[None] % len(embedding.weight)

    def sentence(reason: str) -> str:
        return f"The model in {folder} loads but does not run: {reason}; correct its config.json."

    with torch.no_grad(), library_call(sentence):
        network(input_ids=ids, use_cache=False, logits_to_keep=1)


def _is_finite(weight: torch.Tensor) -> bool:
    return weight.numel() == 0 or bool(torch.isfinite(torch.stack(torch.aminmax(weight.detach()))).all())
