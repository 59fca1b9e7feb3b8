"""What a notebook needs: load a model, trace a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clew.attribution.trace import DEFAULT_MEMORY, OnProgress, TraceSettings, trace
from clew.dictionary.base import Dictionary
from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.points import ReadPoint, WritePoint, point_named
from clew.dictionary.quality import Quality, check_quality, measure_quality
from clew.dictionary.reference import load_transcoders, short_name
from clew.dictionary.transcoding import TranscoderDictionary, bind
from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.graph.prune import EDGE_THRESHOLD, NODE_THRESHOLD
from clew.intervention.circuits import Circuit, measure_circuit
from clew.intervention.validated import Validation
from clew.intervention.validation import validate_graph
from clew.model.language_model import LanguageModel, choose_device, load_language_model
from clew.model.reference import resolve


@dataclass(frozen=True)
class Model:
    """A language model with a dictionary of features, ready to trace."""

    language_model: LanguageModel
    dictionary: Dictionary
    quality: Quality | None = None
    """How well transcoders stand in for the MLPs, measured on loading; None for neurons."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What to give `load` for the same again; every graph keeps it among its own settings."""

    def trace(
        self,
        prompt: str | Sequence[int],
        *,
        targets: str | int | Sequence[str | int] | None = None,
        max_targets: int = 10,
        target_probability: float = 0.95,
        max_nodes: int = 4096,
        selection: str = "attribution",
        sink: str | None = None,
        node_threshold: float = NODE_THRESHOLD,
        edge_threshold: float = EDGE_THRESHOLD,
        memory: int = DEFAULT_MEMORY,
        on_progress: OnProgress = lambda phase, done, total: None,
    ) -> Graph:
        """The whole attribution graph of a prompt (text or token ids); prune it to read it.

        `targets` are next tokens to explain (one or several; text, id, or `"A minus B"`); by default
        the likeliest until `target_probability`, at most `max_targets`. `max_nodes` bounds the
        features that become nodes; where more are active, `selection` chooses them by their total
        `"attribution"` or by repeated partial `"influence"`, as published and slower. `sink` names the
        first token that soaks up attention ("none" for none). Features that pruning at the thresholds
        would keep get output tokens. `memory` (bytes) is what the sweep may work in. Raises
        `ClewError` for anything that cannot be used.
        """
        settings = TraceSettings(
            targets=targets,
            max_targets=max_targets,
            target_probability=target_probability,
            max_nodes=max_nodes,
            selection=selection,
            sink=sink,
            node_threshold=node_threshold,
            edge_threshold=edge_threshold,
            memory=memory,
        )
        graph = trace(self.language_model, self.dictionary, prompt, settings, on_progress)
        return graph.with_info(settings={**self.settings, **graph.info.settings})

    def validate(
        self,
        graph: Graph,
        *,
        count: int = 50,
        random_count: int | None = None,
        seed: int = 0,
        on_progress: OnProgress = lambda phase, done, total: None,
    ) -> Validation:
        """Ablate a graph's `count` most influential features one by one, and as many at random.

        Compares what the graph predicts with what happens, with everything but its edges held and in the
        real model. Raises `ClewError` for a graph of another model or dictionary.
        """
        return validate_graph(
            self.language_model,
            self.dictionary,
            graph,
            count=count,
            random_count=random_count,
            seed=seed,
            on_progress=on_progress,
        )

    def circuit(
        self,
        prompt: Graph | str | Sequence[int],
        features: Sequence[tuple[int, int, int]] | None = None,
        *,
        outside: str = "zero",
    ) -> Circuit:
        """Whether a set of features (layer, position, index) is enough for the answer, and needed.

        Of a graph's prompt the set is by default all of its features. Everything outside goes to `"zero"` or
        to its `"mean"` over a text. Raises `ClewError` for features that there are not.
        """
        return measure_circuit(self.language_model, self.dictionary, prompt, features, outside=outside)

    def __repr__(self) -> str:
        network, dictionary = self.language_model, self.dictionary
        size = sum(parameter.numel() for parameter in network.network.parameters())
        facts = [f"{size / 1e6:,.0f}M parameters", f"{network.n_layers} layers", dictionary.name]
        if isinstance(dictionary, TranscoderDictionary):
            found = dictionary.transcoders
            facts[-1] += f": {found.kind}, {len(found.layers)} layers of {found.width} features"
        if self.quality:
            facts.append(f"FVU {self.quality.fvu:.3g}")
        return f"Model({network.name}, {', '.join(facts)})"


def load(
    reference: str | Path = "smollm2",
    *,
    dictionary: str | Path = "neurons",
    read_point: str | None = None,
    write_point: str | None = None,
    k: int | None = None,
    low_memory: bool = False,
    check: bool = True,
    device: str = "auto",
    dtype: str = "float32",
    on_note: Callable[[str], None] | None = None,
) -> Model:
    """Load a model by short name, folder, GGUF file or hub id (`org/name[@revision]`).

    `dictionary` is `"neurons"` (the model's own) or published transcoders: a folder, a file, or a hub
    reference (`org/name[/subfolder][@revision]`). They are measured on a short text, and refused where
    they explain less than nothing of the model's MLPs, unless `check` is False. `read_point` and
    `write_point` override where they read and write the stream (`"residual"`, `"normalized"`,
    `"mlp-input"`; `"mlp-output"`, `"stream"`); `k` is for a TopK whose files do not say how many features
    are active. With `low_memory` encoders are read from disk layer by layer, whenever they are needed;
    decoder rows always are.

    `device` "auto" takes a CUDA device where there is one; `on_note` hears what takes long (a first
    conversion, a download) and what the dictionary measured. Raises `ClewError` for anything that
    cannot be had.
    """
    device = choose_device(device)
    note = on_note or (lambda text: None)
    settings = {"model": str(reference), "dictionary": str(dictionary), "dtype": dtype}
    if dictionary == "neurons":
        _refuse_for_neurons(read_point=read_point, write_point=write_point, k=k)
        language_model = load_model(reference, device=device, dtype=dtype, with_neurons=True, on_note=on_note)
        return Model(language_model, NeuronDictionary(language_model), settings=settings)
    transcoders = load_transcoders(
        dictionary,
        on_note=note,
        read_point=point_named(ReadPoint, read_point),
        write_point=point_named(WritePoint, write_point),
        k=k,
    )
    language_model = load_model(reference, device=device, dtype=dtype, on_note=on_note)
    bound = bind(language_model, transcoders, short_name(dictionary), low_memory=low_memory)
    quality = check_quality(bound) if check else measure_quality(bound)
    note(f"{bound.name}: {quality}")
    points = {"read_point": transcoders.read_point.option, "write_point": transcoders.write_point.option}
    return Model(language_model, bound, quality, settings | points | ({} if k is None else {"k": k}))


def load_model(
    reference: str | Path,
    *,
    device: str = "auto",
    dtype: str = "float32",
    with_neurons: bool = False,
    on_note: Callable[[str], None] | None = None,
) -> LanguageModel:
    """The model alone, without features; `with_neurons` refuses one whose neurons cannot be features."""
    device = choose_device(device)
    files = resolve(reference, on_note=on_note)
    return load_language_model(
        files.folder, name=files.name, device=device, dtype=dtype, with_neurons=with_neurons
    )


def _refuse_for_neurons(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise ClewError(
                f"{name} is for transcoders, and the model's own neurons need none: name transcoders as the "
                "dictionary (--dictionary REF, or dictionary=REF in Python), or leave it out."
            )
