"""Hooks that leave nothing behind, and threads that do not see each other."""

from __future__ import annotations

import threading

import pytest
import torch

from clew.feature import Feature
from clew.intervention.hooks import hooked
from clew.intervention.intervention import Intervention
from clew.model.language_model import LanguageModel
from tests.intervention.keyword_calls import intervene, prepare
from tests.random_transcoders import random_transcoders
from tests.tiny import random_ids, tiny_model

IDS = random_ids(6).tolist()


def n_hooks(model: LanguageModel) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.network.modules())


def changes(value: float) -> list[Intervention]:
    return [Intervention(Feature(0, 1), "all", "set", value)]


@pytest.mark.parametrize("regime", ["direct", "frozen-attention", "free"])
def test_hooks_are_gone_afterwards(regime: str):
    model = tiny_model("Gemma2ForCausalLM")
    intervene(model, random_transcoders(model, "CLT ReLU"), IDS, changes(3), regime=regime)
    assert n_hooks(model) == 0


def test_hooks_are_gone_after_an_exception():
    model = tiny_model("LlamaForCausalLM")
    setting = prepare(model, random_transcoders(model, "PLT ReLU"), IDS, changes(3))

    def fail_while_hooked() -> None:
        with hooked(setting, watched=True):
            assert n_hooks(model) > 0
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        fail_while_hooked()
    assert n_hooks(model) == 0

    def fail(module, inputs, output):
        raise RuntimeError("within the pass")

    handle = model.layers[1].mlp.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="within the pass"):
        intervene(model, random_transcoders(model, "PLT ReLU"), IDS, changes(3))
    handle.remove()
    assert n_hooks(model) == 0


def test_another_threads_pass_is_left_alone():
    model = tiny_model("LlamaForCausalLM")
    plain = model.network(input_ids=torch.tensor([IDS]), use_cache=False).logits
    seen: list[torch.Tensor] = []

    def look() -> None:
        seen.append(model.network(input_ids=torch.tensor([IDS]), use_cache=False).logits)

    setting = prepare(model, random_transcoders(model, "PLT ReLU"), IDS, changes(30))
    with hooked(setting, watched=True):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert torch.equal(seen[0], plain)


def test_two_threads_and_two_models_do_not_disturb_each_other():
    models = [tiny_model("LlamaForCausalLM"), tiny_model("Qwen3ForCausalLM")]
    dictionaries = [random_transcoders(model, "PLT ReLU") for model in models]
    jobs = [(which, value) for which in (0, 1) for value in (-4.0, 4.0)]

    def answer(which: int, value: float) -> torch.Tensor:
        prompt = "w3 w4 w5 w6"  # choosing a sink runs the network too
        (result,) = intervene(models[which], dictionaries[which], prompt, changes(value))
        return torch.cat([result.logits_before, result.logits_after])

    expected = {job: answer(*job) for job in jobs}
    wrong: list[object] = []

    def work(which: int, value: float) -> None:
        try:
            for _ in range(5):
                if not torch.allclose(answer(which, value), expected[which, value], atol=1e-6):
                    wrong.append((which, value))
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
