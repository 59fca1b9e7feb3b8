"""What a notebook needs: load a model, trace a prompt, change features and look again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from clew.attribution.settings import TraceCall
from clew.attribution.trace import trace
from clew.dictionary.misfit import check_quality
from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.protocols import Dictionary
from clew.dictionary.quality import Quality, measure_quality
from clew.dictionary.reference import load_transcoders, short_name
from clew.dictionary.transcoder_dictionary import TranscoderDictionary, bind
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.index.creation.new_index import make_index
from clew.index.settings import IndexCall
from clew.index.storage.index import Index, open_index
from clew.intervention.circuits import Circuit, measure_circuit
from clew.intervention.feature_names import PlaceLike, with_names_resolved
from clew.intervention.generation import Generation, Sampling, check_count, generate_tokens
from clew.intervention.intervene import intervene, prepare
from clew.intervention.intervention import Features, Intervention, Positions, Source
from clew.intervention.patching import with_patches_resolved
from clew.intervention.regimes import Regime
from clew.intervention.result import InterventionResult
from clew.intervention.validation import validate_graph
from clew.intervention.validation_result import Validation
from clew.model.language_model import LanguageModel, choose_device, load_language_model
from clew.model.prompt import encode_prompt
from clew.model.reference import resolve
from clew.options import takes_options_of
from clew.progress import OnProgress, ignore_progress


@dataclass(frozen=True)
class Model:
    """A language model with a dictionary of features, ready to trace and to intervene on."""

    language_model: LanguageModel
    dictionary: Dictionary
    quality: Quality | None = None
    """How well transcoders stand in for the MLPs, measured on loading; None for neurons."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What to give `load` for the same again; every graph keeps it among its own settings."""

    @takes_options_of(TraceCall)
    def trace(self, prompt: str | Sequence[int], call: TraceCall) -> Graph:
        """The whole attribution graph of a prompt (text or token ids); prune it to read it.

        Raises `ClewError` for anything that cannot be used.
        """
        graph = trace(self.language_model, self.dictionary, prompt, call, call.on_progress)
        return graph.with_info(settings={**self.settings, **graph.info.settings})

    @overload
    def intervene(
        self,
        prompt: str | Sequence[int],
        interventions: Intervention | Sequence[Intervention],
        regime: Regime | str = ...,
        *,
        strengths: None = ...,
        layers: range | None = ...,
        graph: Graph | None = ...,
        sink: str | None = ...,
    ) -> InterventionResult: ...

    @overload
    def intervene(
        self,
        prompt: str | Sequence[int],
        interventions: Intervention | Sequence[Intervention],
        regime: Regime | str = ...,
        *,
        strengths: Sequence[float],
        layers: range | None = ...,
        graph: Graph | None = ...,
        sink: str | None = ...,
    ) -> tuple[InterventionResult, ...]: ...

    def intervene(
        self,
        prompt: str | Sequence[int],
        interventions: Intervention | Sequence[Intervention],
        regime: Regime | str = "free",
        *,
        strengths: Sequence[float] | None = None,
        layers: range | None = None,
        graph: Graph | None = None,
        sink: str | None = None,
    ) -> InterventionResult | tuple[InterventionResult, ...]:
        """The model's output and all features, before and after some features are changed on a prompt.

        `regime` says what responds: `"direct"` (only what an edge predicts), `"frozen-attention"` or
        `"free"` (the real model). With `strengths` every change is made that many times as strongly, with
        one result for each, all in one run. `layers` limits where changes are written, and holds the MLPs
        there. A `graph` of this prompt knows supernodes and labels by name, and its predictions stand
        beside what was measured. Raises `ClewError` for what is not there or contradicts itself.
        """
        results = intervene(
            self.language_model,
            self.dictionary,
            prompt,
            _several(interventions),
            regime=regime,
            strengths=(1.0,) if strengths is None else strengths,
            layers=layers,
            sink=sink,
            graph=graph,
        )
        return results[0] if strengths is None else results

    def generate(
        self,
        prompt: str | Sequence[int],
        interventions: Intervention | Sequence[Intervention] = (),
        max_tokens: int = 20,
        *,
        strengths: Sequence[float] = (1.0,),
        temperature: float = 0.0,
        seed: int = 0,
        cache: bool = True,
        graph: Graph | None = None,
        sink: str | None = None,
    ) -> tuple[Generation, ...]:
        """How the model goes on: first unchanged, then with the changes at each strength, side by side.

        Changes at `"all"` positions or `From(p)` hold for generated tokens too, and a position past the
        prompt is that of one of them: the first stands right behind the prompt, at its length. The
        likeliest token is taken at temperature 0, otherwise one is drawn, for every continuation with the
        same random numbers. Without `cache` the result is the same, only later. Raises `ClewError` for what
        is not there, or longer than the model reads.
        """
        check_count(max_tokens)
        setting = prepare(
            self.language_model,
            self.dictionary,
            prompt,
            _several(interventions),
            strengths=strengths,
            sink=sink,
            graph=graph,
            generated=max_tokens,
        )
        return generate_tokens(setting, max_tokens, Sampling(temperature, seed), cache=cache)

    def patch(
        self,
        features: Features,
        source: str | Sequence[int],
        *,
        source_position: int | None = None,
        positions: Positions | None = None,
        graph: Graph | None = None,
        sink: str | None = None,
    ) -> list[Intervention]:
        """What `Intervention(features, positions, "patch", Source(...))` comes to, with numbers.

        For a look at the values that features have on another prompt, `source`. Without a `graph`, which
        knows names, the prompt that is to be changed counts as long as `source`. Raises `ClewError` for
        features and positions that there are not.
        """
        change = Intervention(features, positions, "patch", Source(source, source_position))
        n_positions = len(
            (encode_prompt(self.language_model, source, sink) if graph is None else graph).token_ids
        )
        return with_patches_resolved(
            self.language_model, self.dictionary, with_names_resolved([change], graph), n_positions, sink=sink
        )

    def validate(
        self,
        graph: Graph,
        *,
        count: int = 50,
        random_count: int | None = None,
        seed: int = 0,
        on_progress: OnProgress = ignore_progress,
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
        features: PlaceLike | Sequence[PlaceLike] | None = None,
        *,
        outside: str = "zero",
    ) -> Circuit:
        """Whether a set of features is enough for the answer (sufficiency), and needed (necessity).

        They are named as `"L24/1005@5"` or `(layer, position, index)`, of a graph also by node id, supernode
        or label; of a graph's prompt the set is by default all of its features. Everything outside goes to
        `"zero"` or to its `"mean"` over a text. Raises `ClewError` for features that there are not.
        """
        return measure_circuit(self.language_model, self.dictionary, prompt, features, outside=outside)

    @takes_options_of(IndexCall)
    def index(self, data: str | Path | Sequence[str | Path], call: IndexCall) -> Index:
        """Read texts and record what every feature fires on.

        The page and `clew show` find the index in its usual place.

        Args:
            data: Files and folders with texts.

        Returns:
            The index, open to read.

        Raises:
            ClewError: The texts do not exist, the index exists already, or the disk is full.
        """
        paths = [data] if isinstance(data, str | Path) else data
        made = make_index(self.language_model, self.dictionary, paths, call, on_progress=call.on_progress)
        return open_index(made.path)

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


def _several(interventions: Intervention | Sequence[Intervention]) -> Sequence[Intervention]:
    return interventions if isinstance(interventions, list | tuple) else [interventions]  # type: ignore[list-item]


def load(
    reference: str | Path = "smollm2",
    *,
    dictionary: str | Path | TranscoderSet | None = "neurons",
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

    `dictionary` is `"neurons"` (the model's own) or published transcoders: a folder, a file, a hub
    reference (`org/name[/subfolder][@revision]`), or a set that is in memory. They are measured on a
    short text, and refused where they explain less than nothing of the model's MLPs, unless `check` is
    False. `read_point` and `write_point` override where they read and write the stream (`"residual"`,
    `"normalized"`, `"mlp-input"`; `"mlp-output"`, `"stream"`); `k` is for a TopK whose files do not say
    how many features are active. With `low_memory` encoders are read from disk layer by layer, whenever
    they are needed; decoder rows always are.

    `device` "auto" takes a CUDA device where there is one; `on_note` hears what takes long (a first
    conversion, a download) and what the dictionary measured. Raises `ClewError` for anything that
    cannot be had.
    """
    device = choose_device(device)
    note = on_note or (lambda text: None)
    settings: dict[str, object] = {
        "model": str(reference),
        "dictionary": str(dictionary or "neurons"),
        "dtype": dtype,
    }
    if dictionary is None or dictionary == "neurons":
        _refuse_for_neurons(read_point=read_point, write_point=write_point, k=k)
        language_model = load_model(reference, device=device, dtype=dtype, with_neurons=True, on_note=on_note)
        return Model(language_model, NeuronDictionary(language_model), settings=settings)
    if isinstance(dictionary, TranscoderSet):
        transcoders, name = dictionary, dictionary.format
        settings["dictionary"] = name
    else:
        transcoders = load_transcoders(
            dictionary, on_note=note, read_point=read_point, write_point=write_point, k=k
        )
        name = short_name(dictionary)
    language_model = load_model(reference, device=device, dtype=dtype, on_note=on_note)
    bound = bind(language_model, transcoders, name, low_memory=low_memory)
    quality = check_quality(bound) if check else measure_quality(bound)
    note(f"{bound.name}: {quality}")
    settings |= {"check": check, "low_memory": low_memory, "quality": quality.facts}
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
