"""The model card of trained transcoders, as the Hugging Face hub shows it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.inspection.inspection import Inspection
from clew.model.language_model import LanguageModel
from clew.model.short_names import NAMED_MODELS
from clew.quantities import percent
from clew.training.settings import TrainSettings
from clew.version import __version__

NOT_TOLD = {"out", "resume", "checkpoint", "memory", "tensorboard"}
"""Options that have no influence on the weights."""

CARD = """\
---
{front}# license: the author's to choose
---

# {title}

{kind} of {model}, trained with clew {version}: {layers} of {features}
features, of which about {l0:.0f} are active at a position. They stand in for the model's MLPs, so that
attribution graphs can be drawn through features.

- reads: {reads}
- writes: {writes}
- first token of every text in training: `{sink}`, whose position was left out. Put it in front of prompts.

## Figures

On {positions:,} tokens of text that was kept apart, measured on the weights as they are saved here;
[report.html](report.html) has plots, layers and examples.

{figures}

FVU is the share of the MLPs' variance that is not explained. Replacement and completeness may rise while a
dictionary is destroyed; the other figures fall then.{verdict}

{by_layer}

## Training

```
{command}
```

Text: {text}. `training.yaml` holds every setting, `log.jsonl` the figures of the steps.

## Use

With clew:

```
clew trace "The capital of France is" --model {name} --dictionary {folder}
```

{tracer}
"""

TRACER = """\
With circuit-tracer, after uploading this folder to the hub (`your-name` is yours):

```python
import torch
from circuit_tracer import ReplacementModel

model = ReplacementModel.from_pretrained(
    "{model}", "your-name/{folder}", backend="nnsight", dtype=torch.float32
)
```"""
PACKED = """\
The matrices are packed integers, which clew reads as they are. For circuit-tracer, write them out first:
`clew dictionary save {folder} expanded`."""
SOME_LAYERS = "circuit-tracer needs transcoders of all layers; these are of some."


def model_card(inspection: Inspection, dictionary: TranscoderDictionary, settings: TrainSettings) -> str:
    """The card: what the transcoders are, their figures, how they were made and how to use them."""
    model, own = dictionary.model, dictionary.transcoders
    front = {
        "base_model": hub_name(model),
        "library_name": "clew",
        "tags": ["clew", "circuit-tracer", "transcoder", "interpretability"],
    }
    n_layers = len(own.layers)
    return CARD.format(
        front=yaml.safe_dump(front, sort_keys=False),
        title=inspection.name,
        kind=own.kind[0].upper() + own.kind[1:],
        model=hub_name(model),
        version=__version__,
        layers=f"{n_layers} layer{'s' * (n_layers > 1)}",
        features=own.width,
        l0=inspection.quality.l0,
        reads=inspection.facts["reads"],
        writes=inspection.facts["writes"],
        sink=own.sink,
        positions=inspection.quality.n_positions,
        figures=_table(("figure", "value", ""), _figures(inspection, settings)),
        verdict=f"\n\n**{inspection.verdict}**" if inspection.verdict else "",
        by_layer=_table(("layer", "FVU", "L0", "never active"), _layers(inspection)),
        command=command(settings, model.name),
        text=_text(settings),
        name=model.name,
        folder=shlex.quote(inspection.name),
        tracer=_tracer(inspection, settings, hub_name(model), n_layers == model.n_layers),
    )


def hub_name(model: LanguageModel) -> str:
    """The model as the hub knows it; its own name where that is not known."""
    if model.name in NAMED_MODELS:
        return NAMED_MODELS[model.name].hub_id
    return model.name


def command(settings: TrainSettings, model: str) -> str:
    """The command that trains the same again, without options at their defaults."""
    words = ["clew", "train", "--model", model]
    for field in fields(TrainSettings):
        value = getattr(settings, field.name)
        if field.name not in NOT_TOLD and value != field.default:
            words += _option("--" + field.name.replace("_", "-"), value)
    return shlex.join([*words, "--out", Path(settings.out).name])


def _option(flag: str, value: Any) -> Sequence[str]:
    if value is True:
        return [flag]
    values = value if isinstance(value, list | tuple) else [value]
    return [flag, *map(_named, values)] if values else []


def _named(value: Any) -> str:
    """A value as its author would name it to others: of a path on this machine the last part."""
    path = Path(str(value)).expanduser()
    return path.name if isinstance(value, str | Path) and path.is_absolute() else str(value)


def _text(settings: TrainSettings) -> str:
    data = [settings.data] if isinstance(settings.data, str | Path) else settings.data
    return ", ".join("the model's own" if name == "self" else _named(name) for name in data)


def _figures(inspection: Inspection, settings: TrainSettings) -> Iterator[tuple[str, str, str]]:
    quality, replaced = inspection.quality, inspection.replaced
    agreement = replaced.agreement
    yield "FVU", f"{quality.fvu:.3f}", f"median of {len(quality.layers)} layers"
    yield "L0", f"{quality.l0:.1f}", f"mean of layers; {settings.l0:g} were wanted"
    yield "features never active", percent(quality.dead), "mean of layers"
    yield f"KL, {inspection.mlps} replaced", f"{agreement.kl:.3f}", "nats"
    yield "same likeliest token", percent(agreement.top1), "of positions"
    own = f"model {agreement.cross_entropy:.2f}"
    yield f"cross-entropy, {inspection.mlps} replaced", f"{agreement.replaced_cross_entropy:.2f}", own
    if replaced.answers:
        kl = f"of clew's prompts; median KL {replaced.answer_kl:.2f}"
        yield "answers kept", f"{replaced.n_kept} of {len(replaced.answers)}", kl
    if inspection.graph is not None:
        neurons = inspection.neurons
        for name in ("replacement", "completeness"):
            beside = f"; neurons {getattr(neurons, name):.2f}" if neurons else ""
            value = f"{getattr(inspection.graph, name):.2f}"
            yield name, value, f"median of {len(inspection.traced)} graphs{beside}"


def _layers(inspection: Inspection) -> Iterator[tuple[str, ...]]:
    for layer in inspection.quality.layers:
        yield str(layer.layer), f"{layer.fvu:.3f}", f"{layer.l0:.1f}", percent(layer.dead)


def _tracer(inspection: Inspection, settings: TrainSettings, model: str, whole: bool) -> str:
    if not whole:
        return SOME_LAYERS
    own = TRACER.format(model=model, folder=inspection.name)
    return own if settings.bits is None else f"{PACKED.format(folder=shlex.quote(inspection.name))}\n\n{own}"


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
