"""Two processes give the transcoders that one gives, and one goes on where two were stopped."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
import torch

from clew.cli.main import main
from clew.dictionary.reference import load_transcoders
from clew.errors import ClewError
from clew.training.checkpoint import load_checkpoint
from clew.training.ranks import ALONE, owners
from clew.training.run import TrainingRun
from clew.training.shared_batches import SharedBatches
from clew.training.text.batches import TextBatches
from tests.tiny import VOCABULARY, tiny_model
from tests.training.test_run import CONTEXT, arrays, settings

SEQUENCES = 15
"""Sequences of a batch; an odd number, so that two processes have different shares."""
SIZE = {"batch": SEQUENCES * CONTEXT, "tokens": 20 * SEQUENCES * CONTEXT}
RUNS = {
    "plt": settings(**SIZE, end_to_end=6 * SEQUENCES * CONTEXT, bits=4),
    "clt": settings(**SIZE, end_to_end=6 * SEQUENCES * CONTEXT, kind="clt", memory=2**20),
    "skip-plt": settings(**SIZE, end_to_end=0, kind="skip-plt", activation="jumprelu"),
}
STOP = 12


def begin_shared(model, options, ranks):
    texts = torch.randint(2, VOCABULARY, (200, CONTEXT), generator=torch.Generator().manual_seed(1))
    texts[:, 0] = 0
    batches = SharedBatches(ranks, lambda: TextBatches(texts, SEQUENCES, seed=0, held_out=8))
    assert len(batches.held_out) == 8
    return TrainingRun(model, range(model.n_layers), batches, options, ranks)


def weights(run):
    return {f"{layer} {name}": array.detach() for (layer, name), array in arrays(run).items()}


def finished(run):
    while not run.finished:
        run.advance()
    return weights(run)


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    """The folder with what two processes leave."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-m", "tests.training.ranks_worker", str(folder)]
    started = [subprocess.Popen(command, env=environment | {"RANK": str(number)}) for number in range(2)]
    assert [process.wait(timeout=400) for process in started] == [0, 0]
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_give_what_one_gives(name, by_two):
    expected = finished(begin_shared(tiny_model("LlamaForCausalLM"), RUNS[name], ALONE))
    found = torch.load(by_two / f"{name}.pt")
    assert found.keys() == expected.keys()
    for array in expected:
        torch.testing.assert_close(found[array], expected[array], atol=2e-4, rtol=2e-3, msg=array)


@pytest.mark.parametrize("name", ["plt", "clt"])
def test_one_process_goes_on_where_two_were_stopped(name, by_two):
    run = begin_shared(tiny_model("LlamaForCausalLM"), RUNS[name], ALONE)
    run.restore(load_checkpoint(by_two / name))
    assert run.step == STOP
    expected = torch.load(by_two / f"{name}.pt")
    for array, found in finished(run).items():
        torch.testing.assert_close(found, expected[array], atol=2e-4, rtol=2e-3, msg=array)


def test_what_the_first_process_refuses_all_refuse(by_two):
    for number in range(2):
        assert (by_two / f"refused-{number}").read_text().startswith("The first process refuses")


def test_torchrun_trains_as_one_process_does_and_speaks_once(tmp_path):
    model = tiny_model("LlamaForCausalLM")
    model.network.save_pretrained(tmp_path / "model")
    model.tokenizer.save_pretrained(tmp_path / "model")
    words = torch.randint(2, VOCABULARY, (6000,), generator=torch.Generator().manual_seed(0))
    (tmp_path / "text.txt").write_text(" ".join(f"w{word}" for word in words))
    command = ["train", "--model", str(tmp_path / "model"), "--data", str(tmp_path / "text.txt")]
    command += ["--kind", "clt", "--features", "48", "--l0", "6", "--tokens", "1440", "--end-to-end", "288"]
    command += ["--context", "9", "--batch", "144", "--sink", "<a>"]
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "clew",
    ]
    done = subprocess.run(
        [*launch, *command, "--out", str(tmp_path / "two")], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Saved") == 1
    assert done.stderr.count("The run takes about") == 1
    log = (tmp_path / "two" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == list(range(1, 13))
    assert main([*command, "--out", str(tmp_path / "one")]) == 0
    two, one = (load_transcoders(tmp_path / name).layers for name in ("two", "one"))
    for layer, part in one.items():
        torch.testing.assert_close(part.encoder.read(), two[layer].encoder.read(), atol=2e-3, rtol=1e-2)


def test_layers_of_a_cross_layer_transcoder_are_shared_out_by_what_they_write():
    found = owners([30 - layer for layer in range(30)], 4)
    shares = [sum(30 - layer for layer in range(30) if found[layer] == number) for number in range(4)]
    assert max(shares) - min(shares) <= 2


def test_more_processes_than_layers_are_refused():
    with pytest.raises(ClewError, match="5 processes cannot share 3 layers"):
        owners([1, 1, 1], 5)
