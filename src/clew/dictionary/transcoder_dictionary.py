"""Published transcoders as a dictionary of one model, and their encoding of one prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clew.dictionary.formats.hook_names import NORM_OF_LLAMA
from clew.dictionary.layer_numbers import layers_named
from clew.dictionary.protocols import ActiveFeatures
from clew.dictionary.read_write_points import ReadPoint, WritePoint, read_values
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording
from clew.model.short_names import NAMED_MODELS
from clew.options import option_name


def bind(
    model: LanguageModel,
    transcoders: TranscoderSet,
    name: str,
    *,
    low_memory: bool = False,
) -> TranscoderDictionary:
    """A dictionary of transcoders for one model; raises `ClewError` if sizes or places do not fit."""
    for layer, part in sorted(transcoders.layers.items()):
        if part.d_model != model.d_model:
            sizes = f"its features read a stream of width {part.d_model}"
        elif layer + part.decoder.n_written > model.n_layers:
            sizes = f"it writes to layer {layer + part.decoder.n_written - 1}, counted from 0"
        else:
            continue
        trained_on = f" ({transcoders.trained_on})" if transcoders.trained_on else ""
        raise ClewError(
            f"{name} was trained on another model{trained_on}: {sizes}, but {model.name} has "
            f"{model.n_layers} layers of width {model.d_model}; name the model that it was trained on."
        )
    if model.layers[0].attention_post_norm and any(NORM_OF_LLAMA in hook for hook in transcoders.hooks):
        raise ClewError(
            f"{name} reads or writes at {NORM_OF_LLAMA}, which in {model.name} is the norm behind attention "
            f"and not the one before the MLP; name its model, or pass {option_name('read_point')}."
        )
    return TranscoderDictionary(model, transcoders, name, low_memory)


def names_another_model(transcoders: TranscoderSet, model: LanguageModel) -> bool:
    """True if the files name a model whose name is not this one's."""
    own = {model.name, str(model.network.config.name_or_path or model.name)}
    if model.name in NAMED_MODELS:
        own.add(NAMED_MODELS[model.name].hub_id)
    return bool(transcoders.trained_on) and _plain(transcoders.trained_on) not in map(_plain, own)


def _plain(name: str) -> str:
    """A model's name without its organisation, revision and punctuation, and without words for "base"."""
    letters = re.sub(r"[^a-z0-9]", "", name.partition("@")[0].rstrip("/").rpartition("/")[2].lower())
    return re.sub(r"(base|hf|pt|small)$", "", letters)


FEATURES_AT_ONCE = 256
"""The largest number of features whose decoder rows are in memory together."""


@dataclass(frozen=True)
class TranscoderDictionary:
    """A set of transcoders bound to the model that it was trained on."""

    model: LanguageModel
    transcoders: TranscoderSet
    name: str
    low_memory: bool = False
    """Read each encoder from disk whenever it is needed, instead of holding all of them."""

    def __repr__(self) -> str:
        layers = f"{len(self.transcoders.layers)} layers of {self.transcoders.width} features"
        return f"TranscoderDictionary({self.name}: {self.transcoders.kind}, {layers})"

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about what is odd in the files, and about another model that they name."""
        return (*self.transcoders.remarks, *self._remarks_on_model())

    def _remarks_on_model(self) -> Iterator[str]:
        own = self.transcoders
        if names_another_model(own, self.model):
            yield (
                f"The files of {self.name} say that they were trained on {own.trained_on}; this model is "
                f"{self.model.name}."
            )
        elif (revision := own.trained_on.partition("@")[2]) not in ("", "main"):
            yield (
                f"The files of {self.name} say that they were trained on the model's version {revision}; "
                "load that one."
            )
        between = range(
            min(own.layers), max(own.layers)
        )  # layers that are missing there have a remark already
        if missing := sorted(set(range(self.model.n_layers)) - set(own.layers) - set(between)):
            yield f"There are no transcoders for {layers_named(missing)}, so these have no features."

    @property
    def replaced_mlps(self) -> str:
        """The MLPs that it can stand for, in words: `every MLP`, or `the MLPs of layers 10-11`."""
        layers = sorted(self.transcoders.layers)
        if len(layers) == self.model.n_layers:
            return "every MLP"
        return f"the MLP{'s' * (len(layers) > 1)} of {layers_named(layers)}"

    @torch.no_grad()
    def encode(self, recording: Recording) -> TranscoderEncoding:
        """The features that are active on one recording."""
        active = []
        for layer in range(self.model.n_layers):
            x = read_values(self.model, recording, self.read_point, layer)
            active.append(ActiveFeatures.of_layer(layer, self.respond(layer, x)[1]))
        return TranscoderEncoding(self, recording, tuple(active))

    @property
    def read_point(self) -> ReadPoint:
        return self.transcoders.read_point

    @property
    def write_point(self) -> WritePoint:
        return self.transcoders.write_point

    @property
    def weights_key(self) -> str:
        return self.transcoders.weights_key

    def changed_on_disk(self) -> bool:
        return self.transcoders.changed_on_disk()

    @property
    def sink(self) -> str | None:
        own = self.transcoders
        if own.sink is not None or own.trained_with_bos is None:
            return own.sink
        if not own.trained_with_bos:
            return "none"
        tokenizer = self.model.tokenizer  # TransformerLens, which SAELens trains with, takes an EOS for a BOS
        bos = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        return None if bos is None else f"id:{bos}"

    @property
    def n_features(self) -> tuple[int, ...]:
        parts = [self.transcoders.layers.get(layer) for layer in range(self.model.n_layers)]
        return tuple(0 if part is None else part.n_features for part in parts)

    def respond(
        self, layer: int, x: Float[Tensor, "... d_model"]
    ) -> tuple[Float[Tensor, "... feature"], Float[Tensor, "... feature"]]:
        """Pre-activations and activations of all features of a layer, with `x` at the read point."""
        part = self.transcoders.layers.get(layer)
        if part is None:
            nothing = x.new_empty(*x.shape[:-1], 0)
            return nothing, nothing
        bias = part.encoder_bias.read().to(x.device)
        pre_activation = nn.functional.linear(x, self.encoder(layer), bias)
        return pre_activation, part.activation(pre_activation)

    def decoder(self, layer: int, index: Int[Tensor, " feature"]) -> Float[Tensor, "feature written d_model"]:
        """Decoder directions of a layer's features at the write points of this layer and those above."""
        return self.transcoders.layers[layer].decoder.spans(index.cpu()).to(self.model.device)

    def encoder(self, layer: int) -> Float[Tensor, "feature d_model"]:
        """A layer's encoder in float32 on the model's device."""
        if self.low_memory:
            return self.transcoders.layers[layer].encoder.read().to(self.model.device)
        return self._encoders[layer]

    @cached_property
    def _encoders(self) -> dict[int, Tensor]:
        return {
            layer: part.encoder.read().to(self.model.device)
            for layer, part in self.transcoders.layers.items()
        }

    def encoder_rows(self, layer: int, index: Int[Tensor, " feature"]) -> Float[Tensor, "feature d_model"]:
        """Encoder directions of some features of a layer."""
        if self.low_memory:
            return self.transcoders.layers[layer].encoder.rows(index.cpu()).to(self.model.device)
        return self._encoders[layer][index]


@dataclass(frozen=True)
class TranscoderEncoding:
    """Transcoders on one prompt; `clew.dictionary.protocols.Encoding` documents the methods."""

    dictionary: TranscoderDictionary
    recording: Recording
    features: tuple[ActiveFeatures, ...]
    """Active features, by layer."""

    @property
    def read_point(self) -> ReadPoint:
        return self.dictionary.transcoders.read_point

    @property
    def write_point(self) -> WritePoint:
        return self.dictionary.transcoders.write_point

    @property
    def reach(self) -> int:
        return max(part.decoder.n_written for part in self._parts.values())

    @property
    def _parts(self) -> Mapping[int, LayerTranscoder]:
        return self.dictionary.transcoders.layers

    def n_active(self, first_position: int) -> int:
        return sum(int((features.position >= first_position).sum()) for features in self.features)

    def active(self, layer: int) -> ActiveFeatures:
        return self.features[layer]

    def reads(
        self, features: ActiveFeatures
    ) -> tuple[Float[Tensor, "feature d_model"], Float[Tensor, " feature"], Float[Tensor, " feature"]]:
        model = self.dictionary.model
        direction = torch.empty(len(features), model.d_model, device=model.device)
        offset = torch.empty(len(features), device=model.device)
        for layer in features.layer.unique().tolist():
            chosen = torch.nonzero(features.layer == layer).squeeze(1)
            index = features.index[chosen]
            direction[chosen] = self.dictionary.encoder_rows(layer, index)
            offset[chosen] = self._parts[layer].encoder_bias.read().to(model.device)[index]
        return direction, offset, features.activation

    def writes(
        self, features: ActiveFeatures, layer: int
    ) -> tuple[Int[Tensor, " writer"], Float[Tensor, "writer d_model"]]:
        writers, vectors = [features.layer.new_empty(0)], [self.recording.embedding[:0]]
        for source, part in sorted(self._parts.items()):
            if not source <= layer < source + part.decoder.n_written:
                continue
            chosen = torch.nonzero(features.layer == source).squeeze(1)
            if len(chosen):
                writers.append(chosen)
                rows = part.decoder.rows(features.index[chosen].cpu(), layer - source)
                vectors.append(rows.to(self.dictionary.model.device))
        return torch.cat(writers), torch.cat(vectors)

    def offset(self, layer: int) -> Float[Tensor, " d_model"] | None:
        bias = self._parts[layer].decoder_bias if layer in self._parts else None
        return None if bias is None else bias.read().to(self.dictionary.model.device)

    def skip(self, layer: int) -> Float[Tensor, "d_model d_model"] | None:
        skip = self._parts[layer].skip if layer in self._parts else None
        return None if skip is None else skip.read().to(self.dictionary.model.device)

    def push_forward(
        self, layer: int, change: Float[Tensor, "position d_model column"]
    ) -> Float[Tensor, "position feature column"]:
        if layer not in self._parts:
            return change.new_empty(change.shape[0], 0, change.shape[2])
        return self.dictionary.encoder(layer) @ change

    def pull_back(
        self, layer: int, at_write: Sequence[Float[Tensor, "position d_model target"]]
    ) -> tuple[Float[Tensor, "feature target"], Float[Tensor, "position d_model target"]]:
        features = self.features[layer]
        on_feature = at_write[0].new_zeros(len(features), at_write[0].shape[2])
        on_read = torch.zeros_like(at_write[0])
        part = self._parts.get(layer)
        if part is None:
            return on_feature, on_read
        above = at_write[: part.decoder.n_written]
        encoder = self.dictionary.encoder(layer)
        positions, counts = torch.unique_consecutive(features.position, return_counts=True)
        bounds = pairwise(accumulate(counts.tolist(), initial=0))
        for position, (begin, end) in zip(positions.tolist(), bounds, strict=True):
            run = slice(begin, end)
            index = features.index[run]
            spans = part.decoder.spans(index.cpu()).to(on_read.device)[:, : len(above)]
            on_feature[run] = spans.flatten(1) @ torch.cat([gradient[position] for gradient in above])
            on_read[position] = encoder[index].T @ on_feature[run]
        skip = self.skip(layer)
        if skip is not None:
            on_read += skip.T @ at_write[0]
        return on_feature, on_read

    def reconstructions(self) -> Float[Tensor, "layer position d_model"]:
        """The transcoders' output in place of each MLP, at the write point."""
        model = self.dictionary.model
        output = torch.zeros_like(self.recording.mlp_write)
        for layer, part in sorted(self._parts.items()):
            self._add_features(output[layer : layer + part.decoder.n_written], self.features[layer], part)
            skip, offset = self.skip(layer), self.offset(layer)
            if skip is not None:
                output[layer] += read_values(model, self.recording, self.read_point, layer) @ skip.T
            if offset is not None:
                output[layer] += offset
        return output

    def _add_features(
        self,
        output: Float[Tensor, "written position d_model"],
        features: ActiveFeatures,
        part: LayerTranscoder,
    ) -> None:
        """Add what a layer's features write; each decoder row is read only once."""
        index, column = features.index.unique(return_inverse=True)
        activation = output.new_zeros(output.shape[1], len(index))
        activation[features.position, column] = features.activation
        for begin in range(0, len(index), FEATURES_AT_ONCE):
            some = slice(begin, begin + FEATURES_AT_ONCE)
            spans = part.decoder.spans(index[some].cpu()).to(output.device)[:, : len(output)]
            output += torch.einsum("pf,fwd->wpd", activation[:, some], spans)
