"""Saved transcoders read back exactly; a folder appears complete or not at all; no decoder is ever whole."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from clew.dictionary.activation import Activation, BatchTopK, JumpReLU, ReLU, TopK
from clew.dictionary.formats import array_writer, circuit_tracer_writer
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder, TranscoderSet
from clew.dictionary.weights import HeldWeights
from tests.dictionary.formats import published
from tests.dictionary.formats.published import assert_same, random_layers, refusal, rows


def held_set(
    layers: list[published.Arrays],
    *,
    activation: Activation | None = None,
    skip: bool = False,
    dtype: torch.dtype = torch.float32,
) -> TranscoderSet:
    def held(array: torch.Tensor) -> HeldWeights:
        return HeldWeights(array.to(dtype))

    return TranscoderSet(
        {
            number: LayerTranscoder(
                encoder=held(layer.encoder),
                encoder_bias=held(layer.encoder_bias),
                decoder=Decoder(held(layer.decoder if layer.decoder.shape[1] > 1 else layer.decoder[:, 0])),
                decoder_bias=held(layer.decoder_bias),
                activation=activation or JumpReLU(held(layer.threshold)),
                skip=held(layer.skip) if skip else None,
            )
            for number, layer in enumerate(layers)
        },
        ReadPoint.RESIDUAL,
        WritePoint.STREAM,
        "made here",
    )


def assert_equal_sets(one: TranscoderSet, other: TranscoderSet) -> None:
    assert list(one.layers) == list(other.layers)
    assert (one.read_point, one.write_point) == (other.read_point, other.write_point)
    for left, right in zip(one.layers.values(), other.layers.values(), strict=True):
        assert torch.equal(left.encoder.read(), right.encoder.read())
        assert torch.equal(left.encoder_bias.read(), right.encoder_bias.read())
        assert torch.equal(rows(left), rows(right))
        assert left.decoder_bias is not None
        assert right.decoder_bias is not None
        assert torch.equal(left.decoder_bias.read(), right.decoder_bias.read())
        assert type(left.activation) is type(right.activation)
        if isinstance(left.activation, JumpReLU) and isinstance(right.activation, JumpReLU):
            assert torch.equal(left.activation.threshold.read(), right.activation.threshold.read())
        else:
            assert left.activation == right.activation
        assert (left.skip is None) == (right.skip is None)
        if left.skip is not None and right.skip is not None:
            assert torch.equal(left.skip.read(), right.skip.read())


@given(
    crossing=st.booleans(),
    skip=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    n_layers=st.integers(1, 4),
    d_model=st.integers(1, 5),
    n_features=st.integers(1, 9),
    kind=st.sampled_from(["jump", "relu", "topk"]),
    read_point=st.sampled_from(ReadPoint),
    write_point=st.sampled_from(WritePoint),
    piece=st.integers(1, 200),
)
@settings(max_examples=60, deadline=None)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    crossing: bool,
    skip: bool,
    dtype: torch.dtype,
    n_layers: int,
    d_model: int,
    n_features: int,
    kind: str,
    read_point: ReadPoint,
    write_point: WritePoint,
    piece: int,
) -> None:
    layers = random_layers(n_layers, crossing=crossing, d_model=d_model, n_features=n_features)
    activation = {"jump": None, "relu": ReLU(), "topk": TopK(min(3, n_features))}[kind]
    made = held_set(layers, activation=activation, skip=skip, dtype=dtype)
    made = replace(made, read_point=read_point, write_point=write_point)
    folder = tmp_path_factory.mktemp("saved") / "set"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(array_writer, "PIECE", piece)
        save_transcoders(made, folder, "org/model")
    loaded = load_transcoders(folder)
    assert_equal_sets(loaded, made)
    assert loaded.trained_on == "org/model"
    again = folder.with_name("again")
    save_transcoders(loaded, again, "org/model")
    for path in folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    layers = random_layers()
    save_transcoders(held_set(layers, skip=True), tmp_path / "set", "org/model")
    arrays = load_file(tmp_path / "set" / "layer_1.safetensors")
    expected = published.circuit_tracer_layer(layers[1], threshold=True, skip=True)
    assert arrays.keys() == expected.keys()
    assert all(torch.equal(arrays[name], expected[name]) for name in arrays)
    said = yaml.safe_load((tmp_path / "set" / "config.yaml").read_text())
    assert said == {
        "model_name": "org/model",
        "model_kind": "transcoder_set",
        "feature_input_hook": "hook_resid_mid",
        "feature_output_hook": "hook_mlp_out",
    }


def test_a_cross_layer_skip_is_turned_round(tmp_path: Path) -> None:
    layers = random_layers(crossing=True)
    save_transcoders(held_set(layers, skip=True), tmp_path / "set", "org/model")
    arrays = load_file(tmp_path / "set" / "W_enc_1.safetensors")
    assert sorted(arrays) == ["W_enc_1", "W_skip_1", "b_dec_1", "b_enc_1", "threshold_1"]
    assert torch.equal(arrays["W_skip_1"], layers[1].skip.T)
    assert load_file(tmp_path / "set" / "W_dec_1.safetensors")["W_dec_1"].shape == (10, 2, 6)


@pytest.mark.parametrize("layout", ["gemma scope", "gemma scope 2", "gemma scope 2 clt", "saelens"])
def test_other_formats_become_a_circuit_tracer_folder(tmp_path: Path, layout: str) -> None:
    layers = random_layers(crossing="clt" in layout)
    source = tmp_path / "source"
    if layout == "gemma scope":
        published.write_gemma_scope(source, layers)
    elif layout == "gemma scope 2":
        published.write_gemma_scope_2(source, layers, skip=True)
    elif layout == "gemma scope 2 clt":
        published.write_gemma_scope_2_clt(source, layers, skip=True)
    else:
        published.write_saelens(source, layers, architecture="jumprelu_skip_transcoder")
    loaded = load_transcoders(source)
    save_transcoders(loaded, tmp_path / "set", "org/model")
    assert_same(load_transcoders(tmp_path / "set"), layers, skip=layout != "gemma scope", threshold=True)


def test_a_sparsify_clt_that_stops_early_is_filled_with_zeros(tmp_path: Path) -> None:
    layers = [replace(layer, decoder=layer.decoder[:, :2]) for layer in random_layers(3, crossing=True)]
    biases = [[layer.decoder_bias] * 2 for layer in layers]
    loaded = load_transcoders(published.write_sparsify_clt(tmp_path / "source", layers, biases))
    save_transcoders(loaded, tmp_path / "set", "org/model")
    again = load_transcoders(tmp_path / "set")
    assert again.write_point is WritePoint.MLP_OUTPUT
    assert rows(again.layers[0])[:, 2].abs().max() == 0
    assert torch.equal(rows(again.layers[0])[:, :2], layers[0].decoder)
    assert torch.equal(rows(again.layers[2]), layers[2].decoder)


def test_a_batch_topk_becomes_thresholds(tmp_path: Path) -> None:
    save_transcoders(held_set(random_layers(), activation=BatchTopK(0.3)), tmp_path / "set", "m")
    activation = load_transcoders(tmp_path / "set").layers[0].activation
    pre_activation = torch.randn(5, 10)
    assert torch.equal(activation(pre_activation), BatchTopK(0.3)(pre_activation))


def test_some_layers_with_thresholds_and_some_without(tmp_path: Path) -> None:
    made = held_set(random_layers())
    layers = dict(made.layers) | {1: replace(made.layers[1], activation=ReLU())}
    save_transcoders(replace(made, layers=layers), tmp_path / "set", "m")
    activation = load_transcoders(tmp_path / "set").layers[1].activation
    pre_activation = torch.randn(5, 10)
    assert torch.equal(activation(pre_activation), pre_activation.relu())


def test_a_k_of_its_own_for_every_layer(tmp_path: Path) -> None:
    made = held_set(random_layers(), activation=TopK(3))
    layers = {number: replace(layer, activation=TopK(2 + number)) for number, layer in made.layers.items()}
    save_transcoders(replace(made, layers=layers), tmp_path / "set", "m")
    loaded = load_transcoders(tmp_path / "set")
    assert [layer.activation for layer in loaded.layers.values()] == [TopK(2), TopK(3), TopK(4)]


def test_some_layers_only(tmp_path: Path) -> None:
    made = held_set(random_layers())
    some = replace(made, layers={number: made.layers[number] for number in (0, 2)})
    save_transcoders(some, tmp_path / "set", "m")
    assert_equal_sets(load_transcoders(tmp_path / "set"), some)


def test_a_missing_decoder_bias_is_zero(tmp_path: Path) -> None:
    made = held_set(random_layers(1))
    bare = replace(made, layers={0: replace(made.layers[0], decoder_bias=None)})
    save_transcoders(bare, tmp_path / "set", "m")
    bias = load_transcoders(tmp_path / "set").layers[0].decoder_bias
    assert bias is not None
    assert torch.equal(bias.read(), torch.zeros(6))


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    clt = held_set(random_layers(crossing=True))
    gap = replace(clt, layers={number: clt.layers[number] for number in (0, 2)})
    assert "needs every layer from 0 on" in refusal(save_transcoders, gap, tmp_path / "a", "m")
    mixed = {0: replace(clt.layers[0], activation=TopK(2))} | {1: clt.layers[1], 2: clt.layers[2]}
    message = refusal(save_transcoders, replace(clt, layers=mixed), tmp_path / "a", "m")
    assert "cannot mix TopK with other activations" in message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    made = held_set(random_layers())
    (tmp_path / "mine").write_text("")
    assert "already holds something" in refusal(save_transcoders, made, tmp_path, "m")
    assert "already holds something" in refusal(save_transcoders, made, tmp_path / "mine", "m")
    (tmp_path / "empty").mkdir()
    save_transcoders(made, tmp_path / "empty", "m")
    assert len(load_transcoders(tmp_path / "empty").layers) == 3


@pytest.mark.parametrize(
    ("trouble", "advice"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "make room there"),
        (OSError(errno.EACCES, "Permission denied"), "choose another place"),
    ],
)
def test_an_interrupted_save_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: OSError, advice: str
) -> None:
    write = circuit_tracer_writer.write_safetensors

    def interrupt(path: Path, arrays) -> None:
        if path.name == "layer_1.safetensors":
            raise trouble
        write(path, arrays)

    monkeypatch.setattr(circuit_tracer_writer, "write_safetensors", interrupt)
    assert advice in refusal(save_transcoders, held_set(random_layers()), tmp_path / "set", "m")
    assert list(tmp_path.iterdir()) == []


def test_no_more_than_a_piece_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = random_layers(crossing=True, n_features=64)
    source = published.write_gemma_scope_2_clt(tmp_path / "source", layers)
    largest = 0
    read_rows = Decoder.rows

    def watched(self: Decoder, index: torch.Tensor, ahead: int) -> torch.Tensor:
        nonlocal largest
        largest = max(largest, len(index))
        return read_rows(self, index, ahead)

    monkeypatch.setattr(array_writer, "PIECE", 10 * 3 * 6 * 4)
    monkeypatch.setattr(Decoder, "rows", watched)
    save_transcoders(load_transcoders(source), tmp_path / "set", "m")
    assert largest == 30  # the last layer's decoder writes to one layer, so three times as many features fit
    assert_same(load_transcoders(tmp_path / "set"), layers, threshold=True)
