"""Models to use in a notebook: load one, trace a prompt, change features and compare."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, overload

from clew.attribution.settings import TraceCall
from clew.attribution.trace import trace
from clew.dictionary.misfit import check_quality, suspicion
from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.protocols import Dictionary
from clew.dictionary.quality import Quality, measure_quality
from clew.dictionary.reference import load_transcoders, short_name
from clew.dictionary.replaced_model import compare_next_token
from clew.dictionary.short_names import NEURONS, chosen_dictionary, full_dictionary
from clew.dictionary.transcoder_dictionary import TranscoderDictionary, bind
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.index.creation.new_index import make_index
from clew.index.settings import IndexCall
from clew.index.storage.index import Index, open_index
from clew.intervention.circuits import Circuit, measure_circuit
from clew.intervention.feature_names import resolve_names
from clew.intervention.generation import Generation, generate_tokens
from clew.intervention.graph_compatibility import record_prompt
from clew.intervention.intervention import Features, Intervention, Positions, Source
from clew.intervention.patching import OTHER_PROMPT, resolve_patches
from clew.intervention.result import InterventionResult
from clew.intervention.run_intervention import intervene, prepare
from clew.intervention.settings import (
    CircuitCall,
    GenerateCall,
    InterveneCall,
    Regime,
    SwapCall,
    ValidateCall,
)
from clew.intervention.swap_test import SwapTest, swap_test
from clew.intervention.validation import validate_graph
from clew.intervention.validation_result import Validation
from clew.load_record import LoadRecord, remember_load
from clew.load_settings import LoadCall
from clew.model.language_model import LanguageModel
from clew.model.loading import choose_device, load_language_model
from clew.model.messages import PromptLike
from clew.model.prompt import encode_prompt, sink_option
from clew.model.reference import resolve
from clew.model.short_names import full_reference
from clew.model_check.check_model import check_model
from clew.model_check.findings import ModelCheck
from clew.model_check.first_look import first_look
from clew.options import check_options, takes_options_of
from clew.progress import OnNote, OnProgress, ignore_note, ignore_progress
from clew.training.ranks import join_ranks
from clew.training.session import Trained, train
from clew.training.settings import TrainCall


@dataclass(frozen=True)
class Model:
    """A language model with a dictionary of features; `clew.load` gives one.

    Prompts are texts, token ids, or messages of a chat: `[{"role": "user", "content": "Hi"}]`.
    """

    language_model: LanguageModel
    dictionary: Dictionary
    quality: Quality | None = None
    """Quality of transcoders in place of the MLPs, measured on loading; None for neurons."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `load` that give the same model again; graphs keep them among their settings."""

    @takes_options_of(TraceCall)
    def trace(self, prompt: PromptLike, call: TraceCall) -> Graph:
        """Trace a prompt: compute the attribution graph of its next token.

        Args:
            prompt: The text whose next token is explained, its token ids, or messages of a chat.

        Returns:
            The whole graph; `graph.prune()` keeps the part to read.

        Raises:
            ClewError: A target is not one token of the model, the prompt is too long for it, or an option is
                out of bounds.
        """
        graph = trace(self.language_model, self.dictionary, prompt, call, call.on_progress)
        settings = {**self.settings, **graph.info.settings}
        if isinstance(self.dictionary, TranscoderDictionary):
            facts = compare_next_token(self.dictionary, graph.token_ids.tolist()).facts
            settings["replaced"] = facts and facts | {"mlps": self.dictionary.replaced_mlps}
        return graph.with_info(settings=settings)

    @overload
    def intervene(
        self,
        prompt: PromptLike,
        interventions: Intervention | Sequence[Intervention] = ...,
        regime: Regime = ...,
        *,
        strengths: None = ...,
        layers: range | None = ...,
        graph: Graph | None = ...,
        sink: str | None = ...,
    ) -> InterventionResult: ...

    @overload
    def intervene(
        self,
        prompt: PromptLike,
        interventions: Intervention | Sequence[Intervention] = ...,
        regime: Regime = ...,
        *,
        strengths: Sequence[float],
        layers: range | None = ...,
        graph: Graph | None = ...,
        sink: str | None = ...,
    ) -> tuple[InterventionResult, ...]: ...

    @takes_options_of(InterveneCall)
    def intervene(  # type: ignore[misc]
        self, prompt: PromptLike, call: InterveneCall
    ) -> InterventionResult | tuple[InterventionResult, ...]:
        """Change features on a prompt and compare the outputs and all features before and after.

        Args:
            prompt: The text on which features change, its token ids, or messages of a chat.

        Returns:
            One result; with `strengths` a tuple with one for each. With a `graph` of the prompt, its
            predictions stand beside the measured changes.

        Raises:
            ClewError: A feature, position or layer does not exist, two interventions contradict each other, a
                change is too large for float32, or the graph is of another prompt, model or dictionary.
        """
        results = intervene(self.language_model, self.dictionary, prompt, call)
        return results[0] if call.strengths is None else results

    @takes_options_of(GenerateCall)
    def generate(self, prompt: PromptLike, call: GenerateCall) -> tuple[Generation, ...]:
        """Generate text after a prompt, without and with changes of features.

        Interventions at `"all"` positions or `From(p)` change generated tokens too. A position past the
        prompt is that of one generated token; the first one's is the length of the prompt.

        Args:
            prompt: The text to go on from, its token ids, or messages of a chat.

        Returns:
            The unchanged continuation, then one for each strength.

        Raises:
            ClewError: As for `intervene`; also if prompt and continuation exceed the model's context.
        """
        check_options(call)
        run = prepare(self.language_model, self.dictionary, prompt, call, generated=call.max_tokens)
        return generate_tokens(run, call)

    def patch(
        self,
        features: Features,
        source: PromptLike,
        *,
        source_position: int | None = None,
        positions: Positions | None = None,
        graph: Graph | None = None,
        sink: str | None = None,
    ) -> list[Intervention]:
        """Read the activations that a patch takes from another prompt.

        Args:
            features: The features, as for `Intervention`.
            source: The other prompt: a text, token ids, or messages of a chat.
            source_position: The position in `source` to read; by default the positions that change.
            positions: The positions that change, as for `Intervention`.
            graph: A graph of the prompt that changes, whose supernodes and labels may name features. Without
                one, the prompt counts as long as `source`.
            sink: Text of the first token of `source`; "none" for none, by default that of the graph, or else
                of the model.

        Returns:
            One intervention for each feature and position, with `how="set"` and the activation.

        Raises:
            ClewError: A feature or position does not exist, or the prompts differ in length and no
                `source_position` is given.
        """
        if graph is not None:
            record_prompt(self.language_model, self.dictionary, graph)  # refuses one of another model
        change = Intervention(features, positions, "patch", Source(source, source_position))
        if graph is None:
            encoded = encode_prompt(
                self.language_model, source, sink, self.dictionary.sink, what=OTHER_PROMPT
            )
            n_positions = len(encoded.token_ids)
        else:
            n_positions, sink = len(graph.token_ids), sink or sink_option(graph.sink)
        named = resolve_names([change], graph)
        return resolve_patches(self.language_model, self.dictionary, named, n_positions, sink=sink)

    @takes_options_of(SwapCall)
    def swap_test(self, graph: Graph, call: SwapCall) -> SwapTest:
        """Swap a group of a graph for its values on the same prompt with another word: does it matter?

        Args:
            graph: A graph of this model and dictionary.

        Returns:
            The answers before and after, and the words that the model found to swap for.

        Raises:
            ClewError: The graph is of another model or dictionary, the group holds no features, or no word
                of one token gives another answer.
        """
        return swap_test(self.language_model, self.dictionary, graph, call)

    @takes_options_of(ValidateCall)
    def validate(self, graph: Graph, call: ValidateCall) -> Validation:
        """Ablate features of a graph one by one, and compare its predictions with the measured effects.

        Args:
            graph: A graph of this model and dictionary.

        Returns:
            The predicted and measured effect of every tested feature, in the direct regime and in the real
            model.

        Raises:
            ClewError: The graph is of another model or dictionary, or has no features.
        """
        return validate_graph(self.language_model, self.dictionary, graph, call, on_progress=call.on_progress)

    @takes_options_of(CircuitCall)
    def circuit(self, prompt: Graph | PromptLike, call: CircuitCall) -> Circuit:
        """Measure the sufficiency and the necessity of a set of features for an answer.

        Args:
            prompt: A graph, whose main target is the answer; or a text, token ids, or messages of a chat, for
                the likeliest token.

        Returns:
            The answer's probability with the features, everything else, or both removed.

        Raises:
            ClewError: A feature or position does not exist, or the graph is of another model or dictionary.
        """
        return measure_circuit(self.language_model, self.dictionary, prompt, call.features, call)

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

    @takes_options_of(TrainCall)
    def train(self, call: TrainCall) -> Trained:
        """Train transcoders that replace the model's MLPs, and save them in a folder.

        In processes that `torchrun` started all train together, and the first one writes.

        Returns:
            The folder, the dictionary in it, and its figures on held-out text.

        Raises:
            ClewError: The text, the model or the machine does not fit the settings, the folder is not empty,
                or the disk is full.
        """
        return train(
            self.language_model, call, on_note=call.on_note, on_figures=call.on_figures, ranks=join_ranks()
        )

    def changed_on_disk(self) -> bool:
        """True if files that were loaded are other ones now; the model itself stays what it was."""
        return self.language_model.changed_on_disk() or self.dictionary.changed_on_disk()

    def check(self, *, on_progress: OnProgress = ignore_progress) -> ModelCheck:
        """Check the model and its dictionary, from the files to generated tokens, as `clew check` does.

        Args:
            on_progress: Called with a phase, how much of it is done, and how much there is.

        Returns:
            All findings; `ok` is True if nothing failed.
        """
        return check_model(self.language_model, self.dictionary, partial(on_progress, "Checking"))

    def __repr__(self) -> str:
        network, dictionary = self.language_model, self.dictionary
        size = sum(parameter.numel() for parameter in network.network.parameters())
        facts = [f"{size / 1e6:,.0f}M parameters", f"{network.n_layers} layers", dictionary.name]
        if isinstance(dictionary, TranscoderDictionary):
            own = dictionary.transcoders
            facts[-1] += f": {own.kind}, {len(own.layers)} layers of {own.width} features"
        if self.quality:
            facts.append(f"FVU {self.quality.fvu:.3g}")
        return f"Model({network.name}, {', '.join(facts)})"


@takes_options_of(LoadCall)
def load(call: LoadCall) -> Model:
    """Load a model and its dictionary of features.

    Transcoders may also be a `TranscoderSet` in memory. Unless `check` is False, the model is refused where a
    short text does not give what transformers alone gives, or its parts do not add up to its stream; and
    transcoders are, measured on a text, where they explain less than nothing of the MLPs.

    Returns:
        The model, ready to trace and to intervene on.

    Raises:
        ClewError: The model or dictionary does not exist or cannot be loaded, the two do not fit together, or
            an option is out of bounds.
    """
    begun = time.monotonic()
    model = _loaded(call, call.on_note or ignore_note)
    if not isinstance(call.dictionary, TranscoderSet):
        remember_load(
            LoadRecord(
                str(model.settings["model"]),
                str(model.settings["dictionary"]),
                model.language_model.weights_key,
                model.dictionary.weights_key,
                time.monotonic() - begun,
            )
        )
    return model


def _loaded(call: LoadCall, on_note: OnNote) -> Model:
    device = choose_device(call.device)
    points = {"read_point": call.read_point, "write_point": call.write_point}
    wanted = call.dictionary
    if not isinstance(wanted, TranscoderSet):
        wanted = chosen_dictionary(call.reference, wanted)
        if wanted == NEURONS or wanted != call.dictionary:
            _refuse_without_transcoders(**points, k=call.k)
    settings: dict[str, object] = {
        "model": full_reference(call.reference),
        "dictionary": wanted if isinstance(wanted, TranscoderSet) else full_dictionary(wanted),
        "dtype": call.dtype,
    }
    if wanted == NEURONS:
        language_model = load_model(
            call.reference, device=device, dtype=call.dtype, with_neurons=True, on_note=on_note
        )
        if call.check:
            first_look(language_model)
        return Model(language_model, NeuronDictionary(language_model), settings=settings)
    if isinstance(wanted, TranscoderSet):
        if any(value is not None for value in (*points.values(), call.k)):
            raise ClewError(
                "read_point, write_point and k are options of transcoders in files. Leave them out: a "
                "TranscoderSet in memory has its own."
            )
        transcoders, name = wanted, wanted.format
        settings["dictionary"] = name
    else:
        transcoders = load_transcoders(wanted, on_note=on_note, **points, k=call.k)
        name = short_name(wanted)
    language_model = load_model(call.reference, device=device, dtype=call.dtype, on_note=on_note)
    dictionary = bind(language_model, transcoders, name, low_memory=call.low_memory)
    if call.check:
        first_look(language_model)
    quality = check_quality(dictionary) if call.check else measure_quality(dictionary)
    doubt = suspicion(dictionary, quality) if call.check else ""
    for note in (f"{dictionary.name}: {quality}", *dictionary.remarks, *([doubt] if doubt else [])):
        on_note(note)
    settings |= {"check": call.check, "low_memory": call.low_memory, "quality": quality.facts}
    settings |= {"read_point": transcoders.read_point.option, "write_point": transcoders.write_point.option}
    settings |= {} if call.k is None else {"k": call.k}
    return Model(language_model, dictionary, quality, settings)


def load_model(
    reference: str | Path,
    *,
    device: str = "auto",
    dtype: str = "float32",
    with_neurons: bool = False,
    on_note: OnNote = ignore_note,
) -> LanguageModel:
    """The model alone, without features; `with_neurons` refuses one whose neurons cannot be features."""
    device = choose_device(device)
    files = resolve(reference, on_note=on_note)
    return load_language_model(
        files.folder,
        name=files.name,
        sources=files.sources,
        device=device,
        dtype=dtype,
        with_neurons=with_neurons,
        on_note=on_note,
    )


def _refuse_without_transcoders(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise ClewError(
                f"{name} is an option of transcoders, not of the model's own neurons; name transcoders as "
                "the dictionary (--dictionary REF, or dictionary=REF in Python), or leave it out."
            )
