"""Facts about a dictionary, in words."""

from __future__ import annotations

from clew.dictionary.layer_numbers import layers_named
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.quantities import size


def dictionary_facts(dictionary: TranscoderDictionary) -> dict[str, str]:
    """The kind, format, places, activation and size of a dictionary, by name of the fact."""
    transcoders, model = dictionary.transcoders, dictionary.model
    activations = list(dict.fromkeys(part.activation.name for part in transcoders.layers.values()))
    reach = max(part.decoder.n_written for part in transcoders.layers.values())
    missing = [layer for layer in range(model.n_layers) if layer not in transcoders.layers]
    facts = {
        "kind": transcoders.kind,
        "format": transcoders.format
        + (f", made for {transcoders.trained_on}" if transcoders.trained_on else ""),
        "reads": f"{transcoders.read_point.option}: {transcoders.read_point.value}",
        "writes": f"{transcoders.write_point.option}: {transcoders.write_point.value}",
        "reach": f"a feature's own layer and up to {reach - 1} above" if reach > 1 else "",
        "activation": activations[0] if len(activations) == 1 else "by layer",
        "model": f"{model.name}, {model.n_layers} layers"
        + (f"; none for {layers_named(missing)}" if missing else ""),
        "size": size(sum(part.n_bytes for part in transcoders.layers.values())),
    }
    return {name: fact for name, fact in facts.items() if fact}
