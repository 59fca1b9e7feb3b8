"""Folders of packed integers: each weight errs by half a scale at most, and what is wrong is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from clew.dictionary.activation import JumpReLU
from clew.dictionary.formats import array_writer, quantised_arrays
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.quantised_rows import BITS, expand_rows
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_set import LayerTranscoder
from clew.dictionary.weights import QuantisedWeights, Weights
from tests.dictionary.formats import published
from tests.dictionary.formats.published import random_layers, refusal, rows
from tests.dictionary.formats.test_circuit_tracer_writer import assert_equal_sets, held_set

TRIAL = Path(__file__).resolve().parents[3].parent / "shared" / "dictionaries" / "smollm2-plt"


def matrices(part: LayerTranscoder) -> list[Weights]:
    return [part.encoder, part.decoder.weights, *([part.skip] if part.skip else [])]


def half_a_scale(
    folder: Path, number: int, crossing: bool, width: int, group: int
) -> dict[str, torch.Tensor]:
    """The bound of the error of each weight, by array."""
    names = (f"W_enc_{number}", f"W_dec_{number}") if crossing else (f"layer_{number}",)
    arrays = {
        name: array for file in names for name, array in load_file(folder / f"{file}.safetensors").items()
    }
    return {
        name.removesuffix("_scale").removesuffix(f"_{number}"): scale.float()
        .repeat_interleave(group, -1)[..., :width]
        .mul(0.5 + 1e-5)
        for name, scale in arrays.items()
        if name.endswith("_scale")
    }


@settings(max_examples=40, deadline=None)
@given(
    crossing=st.booleans(),
    skip=st.booleans(),
    n_layers=st.integers(1, 3),
    d_model=st.integers(1, 9),
    n_features=st.integers(1, 9),
    bits=st.sampled_from(BITS),
    group=st.integers(1, 10),
    piece=st.integers(1, 200),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    crossing: bool,
    skip: bool,
    n_layers: int,
    d_model: int,
    n_features: int,
    bits: int,
    group: int,
    piece: int,
) -> None:
    layers = random_layers(n_layers, crossing=crossing, d_model=d_model, n_features=n_features)
    made, folder = held_set(layers, skip=skip), tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(array_writer, "PIECE", piece)
        save_transcoders(made, folder / "packed", "org/model", bits=bits, group=group)
    loaded = load_transcoders(folder / "packed")
    assert (loaded.read_point, loaded.write_point, loaded.kind) == (
        made.read_point,
        made.write_point,
        made.kind,
    )
    for number, part in loaded.layers.items():
        own = made.layers[number]
        assert part.decoder_bias
        assert own.decoder_bias
        assert torch.equal(part.encoder_bias.read(), own.encoder_bias.read())
        assert torch.equal(part.decoder_bias.read(), own.decoder_bias.read())
        assert isinstance(part.activation, JumpReLU)
        assert isinstance(own.activation, JumpReLU)
        assert torch.equal(part.activation.threshold.read(), own.activation.threshold.read())
        bounds = half_a_scale(folder / "packed", number, made.crosses_layers, d_model, group)
        assert ((part.encoder.read() - own.encoder.read()).abs() <= bounds["W_enc"]).all()
        assert ((rows(part) - rows(own)).abs() <= bounds["W_dec"].view(rows(own).shape)).all()
        assert torch.equal(part.decoder.weights.read().view(rows(part).shape), rows(part))
        assert (part.skip is not None) == skip
        if part.skip is not None and own.skip is not None:
            bound = bounds["W_skip"].T if made.crosses_layers else bounds["W_skip"]
            assert ((part.skip.read() - own.skip.read()).abs() <= bound).all()
            assert torch.equal(part.skip.rows(torch.tensor([d_model - 1, 0])), part.skip.read()[[-1, 0]])
    save_transcoders(loaded, folder / "floats", "org/model")
    assert_equal_sets(load_transcoders(folder / "floats"), loaded)
    save_transcoders(loaded, folder / "again", "org/model", bits=bits, group=group)
    for path in (folder / "packed").iterdir():
        assert (folder / "again" / path.name).read_bytes() == path.read_bytes()


def test_the_layout_of_a_folder(tmp_path: Path) -> None:
    layers = random_layers(2, d_model=70)
    save_transcoders(held_set(layers, skip=True), tmp_path / "set", "org/model", bits=4)
    arrays = load_file(tmp_path / "set" / "layer_1.safetensors")
    assert {name: (array.dtype, tuple(array.shape)) for name, array in arrays.items()} == {
        "W_enc": (torch.uint8, (10, 35)),
        "W_enc_scale": (torch.float16, (10, 2)),
        "W_dec": (torch.uint8, (10, 35)),
        "W_dec_scale": (torch.float16, (10, 2)),
        "W_skip": (torch.uint8, (70, 35)),
        "W_skip_scale": (torch.float16, (70, 2)),
        "b_enc": (torch.float32, (10,)),
        "b_dec": (torch.float32, (70,)),
        "activation_function.threshold": (torch.float32, (10,)),
    }
    said = yaml.safe_load((tmp_path / "set" / "config.yaml").read_text())
    assert (said["clew_bits"], said["clew_group"]) == (4, 64)
    expanded = expand_rows(arrays["W_dec"], arrays["W_dec_scale"], 4, 70)
    part = load_transcoders(tmp_path / "set").layers[1]
    assert isinstance(part.decoder.weights, QuantisedWeights)
    assert torch.equal(part.decoder.rows(torch.tensor([7, 2, 3]), 0), expanded[[7, 2, 3]])
    assert part.n_bytes == sum(array.nbytes for name, array in arrays.items() if "threshold" not in name)


def test_files_that_say_their_bits_by_name_need_no_settings(tmp_path: Path) -> None:
    source = published.write_circuit_tracer(tmp_path / "a", random_layers(2, d_model=9))
    stated = load_transcoders(published.pack(source, 3, 64))
    folder = tmp_path / "b"
    folder.mkdir()
    for path in source.glob("*.safetensors"):
        shutil.copy(path, folder / path.with_suffix(".int3.safetensors").name)
    loaded = load_transcoders(folder)
    assert_equal_sets(loaded, stated)
    assert (loaded.read_point, loaded.write_point) == (ReadPoint.MLP_INPUT, WritePoint.STREAM)
    published.write_config(folder, clew_bits=4)
    assert "has 3 bits by its name, but" in refusal(load_transcoders, folder)


def test_the_trial_is_what_its_own_program_makes_of_it(tmp_path: Path) -> None:
    if not TRIAL.is_dir():
        pytest.skip(f"{TRIAL} is not here")
    subprocess.run([sys.executable, str(TRIAL / "expand.py"), str(tmp_path / "set")], check=True)
    packed, floats = load_transcoders(TRIAL), load_transcoders(tmp_path / "set")
    assert_equal_sets(packed, floats)
    assert packed.layers[0].n_bytes * 6 < floats.layers[0].n_bytes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "layer_0.safetensors holds W_enc in packed integers, but no config.yaml says of how many bits"),
        ({"clew_bits": 8}, "holds W_enc in the shape [10, 3], but with 8 bits the other arrays need [10, 6]"),
        ({"clew_bits": 4}, "holds 2 scales for a row of W_enc, but 6 weights in groups of 64 need 1"),
        ({"clew_bits": 9}, "says clew_bits: 9; correct it to a whole number from 2 to 8"),
        ({"clew_bits": 4, "clew_group": 0}, "says clew_group: 0; correct it to a whole number from 1"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    folder = published.pack(published.write_circuit_tracer(tmp_path, random_layers(1)), 4, 4, stated=False)
    published.write_config(folder, **settings)
    assert message in refusal(load_transcoders, folder)


def test_what_cannot_be_packed(tmp_path: Path) -> None:
    made = held_set(random_layers(1))
    assert "2 to 8 bits, not 9; choose" in refusal(save_transcoders, made, tmp_path / "a", "m", bits=9)
    assert "from 1, not 0" in refusal(save_transcoders, made, tmp_path / "a", "m", bits=4, group=0)
    huge = [published.Arrays(**(vars(random_layers(1)[0]) | {"encoder": torch.full((10, 6), 1e6)}))]
    assert "as large as 1e+06" in refusal(save_transcoders, held_set(huge), tmp_path / "a", "m", bits=4)
    assert list(tmp_path.iterdir()) == []


def test_no_more_than_a_piece_is_rounded_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = published.write_gemma_scope_2_clt(tmp_path / "a", random_layers(crossing=True, n_features=64))
    most, quantise = 0, quantised_arrays.quantise_rows

    def watched(weights: torch.Tensor, bits: int, group: int) -> Any:
        nonlocal most
        most = max(most, weights.nbytes)
        return quantise(weights, bits, group)

    monkeypatch.setattr(array_writer, "PIECE", 10 * 3 * 6 * 4)
    monkeypatch.setattr(quantised_arrays, "quantise_rows", watched)
    save_transcoders(load_transcoders(source), tmp_path / "set", "m", bits=4)
    assert 0 < most <= 10 * 3 * 6 * 4
