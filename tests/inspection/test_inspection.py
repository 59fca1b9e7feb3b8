"""The inspection of a dictionary, and its report as a page, on tiny models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from clew.attribution.settings import TraceSettings
from clew.attribution.trace import trace
from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.quality import text_windows
from clew.dictionary.replaced_mlps import replaced_mlps
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.inspection.html_report import densities, html_report, write_html_report
from clew.inspection.inspection import EXAMPLES, Inspection, inspect_dictionary
from clew.inspection.plots import bars
from clew.inspection.training_log import MOST_POINTS, read_curves
from tests.fitted_transcoders import fitted_transcoders
from tests.random_transcoders import random_transcoders
from tests.tiny import tiny_model

PROMPTS = ("w30 w41 w35", "w52 w33")
WINDOWS = [torch.tensor([0, *(30 + number * step % 31 for number in range(40))]) for step in (7, 11)]


@pytest.fixture(scope="module")
def dictionary() -> TranscoderDictionary:
    model = tiny_model("LlamaForCausalLM")
    with torch.no_grad():
        model.network.get_input_embeddings().weight.mul_(10)
    return replace(fitted_transcoders(model, WINDOWS, n_features=40), name="<b>fitted</b> & more")


@pytest.fixture(scope="module")
def inspection(dictionary: TranscoderDictionary) -> Inspection:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clew.inspection.inspection.PROMPTS", PROMPTS)
        return inspect_dictionary(dictionary, WINDOWS, graphs=2, neurons=True, max_nodes=200)


def test_graphs_have_the_scores_of_traces_with_either_features(
    inspection: Inspection, dictionary: TranscoderDictionary
):
    assert [each.prompt for each in inspection.traced] == list(PROMPTS)
    model, settings = dictionary.model, TraceSettings(max_nodes=200)
    for each in inspection.traced:
        assert each.scores == trace(model, dictionary, each.prompt, settings).info.scores
        assert each.neurons == trace(model, NeuronDictionary(model), each.prompt, settings).info.scores


def test_the_furthest_and_the_nearest_positions_are_those_of_all(
    inspection: Inspection, dictionary: TranscoderDictionary
):
    model, apart, answers = dictionary.model, [], []
    for window in WINDOWS:
        own = model.run(window[None]).logits[0, 1:].log_softmax(-1)
        with replaced_mlps(dictionary):
            other = model.run(window[None]).logits[0, 1:].log_softmax(-1)
        apart += (own.exp() * (own - other)).sum(-1).tolist()
        answers += [model.token_text(token) for token in own.argmax(-1).tolist()]
    for found, sign in ((inspection.nearest, 1), (inspection.furthest, -1)):
        best: dict[str, float] = {}
        for distance, answer in sorted(zip(apart, answers, strict=True), key=lambda each: sign * each[0]):
            best.setdefault(answer, distance)
        assert [each.answer for each in found] == list(best)[:EXAMPLES]
        assert [each.kl for each in found] == pytest.approx(list(best.values())[:EXAMPLES], rel=1e-3)
        assert all(each.prompt.split() for each in found)


def test_densities_are_shares_of_features_and_the_first_is_that_of_dead_ones(inspection: Inspection):
    names, columns = densities(inspection)
    assert names[0] == "never"
    assert names[-1] == "≤100%"
    for layer in inspection.quality.layers:
        assert sum(columns[layer.layer]) == pytest.approx(1)
        assert columns[layer.layer][0] == pytest.approx(layer.dead)
        always = (layer.counts > 0.4642 * inspection.quality.n_positions).float().mean()
        assert columns[layer.layer][-1] == pytest.approx(float(always))
        assert float(layer.counts.sum()) / inspection.quality.n_positions == pytest.approx(layer.l0)


class Page(HTMLParser):
    """Names and attributes of a page's tags, and its text; refuses tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._open = "", list[str]()
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_says_the_figures_and_escapes_all_that_is_not_clews_own(inspection: Inspection):
    hostile = "<script>alert(1)</script>\x1b[2J"
    strange = replace(inspection.furthest[0], prompt=hostile, replaced_answer=hostile, kept=False)
    named = replace(inspection, furthest=(strange,), facts={"kind": hostile})
    page = html_report(named, text=hostile, warning=hostile)
    read = Page(page)
    assert "script" not in {tag for tag, _ in read.tags}
    assert "\x1b" not in page
    assert read.text.count("<script>alert(1)</script>\\x1b[2J") == 5
    assert "<b>fitted</b> & more" in read.text
    assert f"{inspection.quality.fvu:.3f}" in read.text
    assert f"{inspection.replaced.n_kept} of 2" in read.text
    assert not re.search(r"(src|href)=|url\(|@import", page)


def test_the_page_has_a_bar_for_each_layer_as_tall_as_its_figure(inspection: Inspection):
    bars = [attributes for _, attributes in Page(html_report(inspection, text="a")).tags
            if (attributes.get("class") or "").startswith("bar")]  # fmt: skip
    n_layers = len(inspection.quality.layers)
    assert len(bars) == 3 * n_layers
    heights = [float(bar["height"] or 0) for bar in bars[n_layers : 2 * n_layers]]
    l0 = [layer.l0 for layer in inspection.quality.layers]
    assert [height / heights[0] for height in heights] == pytest.approx(
        [each / l0[0] for each in l0], rel=0.01
    )


def test_a_layer_that_is_worse_than_its_mean_and_one_that_is_not_finite_are_marked(inspection: Inspection):
    first, second, *rest = inspection.quality.layers
    worse = replace(first, fvu=40.0), replace(second, fvu=float("nan")), *rest
    page = html_report(replace(inspection, quality=replace(inspection.quality, layers=worse)), text="a")
    assert page.count('class="bar marked"') == 2
    assert "layer 0: 40" in page
    assert "layer 1: not finite" in page


def test_a_dictionary_of_some_layers_without_known_prompts(dictionary: TranscoderDictionary):
    some = {1: dictionary.transcoders.layers[1]}
    one = replace(dictionary, transcoders=replace(dictionary.transcoders, layers=some))
    found = inspect_dictionary(one, graphs=3)
    assert (found.n_layers, list(found.n_features), found.traced, found.graph) == (3, [1], (), None)
    text = Page(html_report(found, text="a")).text
    assert "none for layers 0, 2" in text
    assert "Answers" not in text


def test_a_mixture_of_experts_has_no_neurons_beside_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clew.inspection.inspection.PROMPTS", PROMPTS)
    dictionary = random_transcoders(tiny_model("MixtralForCausalLM"), "PLT ReLU")
    found = inspect_dictionary(dictionary, text_windows(dictionary), graphs=1, neurons=True, max_nodes=50)
    assert found.traced[0].neurons is None
    assert found.neurons is None


def steps(stage: str, count: int, figure: Callable[[int], dict[str, object]]) -> list[str]:
    return [json.dumps({"stage": stage, "tokens": 10 * (1 + each), **figure(each)}) for each in range(count)]


def test_curves_of_a_log_that_a_kill_has_cut(inspection: Inspection, tmp_path: Path):
    log = tmp_path / "log.jsonl"
    lines = steps("local", 1000, lambda each: {"fvu": [1 / (1 + each), 0.5], "l0": [40, 41], "dead": [0, 0]})
    lines += ["no JSON", "[]", '{"stage": "local", "tokens": "many", "fvu": 3}']
    lines += steps("end-to-end", 4, lambda each: {"fvu": [0.3], "kl": 2 - each / 10})
    log.write_text("\n".join(lines) + '\n{"stage": "local", "tok', encoding="utf-8")
    curves = read_curves(log)
    assert [(curve.figure.split(",")[0], curve.stage.split()[0]) for curve in curves] == [
        ("FVU", "Each"), ("L0", "Each"), ("Dead features", "Each"), ("FVU", "All"), ("KL", "All"),
    ]  # fmt: skip
    assert all(len(curve.tokens) == len(curve.values) <= MOST_POINTS for curve in curves)
    assert curves[0].tokens[-1] == 10_000
    assert curves[0].values[-1] == pytest.approx(0.25, abs=0.01)
    assert curves[-1].values == pytest.approx((2, 1.9, 1.8, 1.7))
    write_html_report(inspection, tmp_path / "report.html", text="held\x1b\u202eout text", log=log)
    content = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "held\\x1b\\u202eout text" in content
    page = Page(content)
    assert sum(tag == "polyline" for tag, _ in page.tags) == 5
    assert "KL, nats: 1.7 at the end" in page.text


def test_no_log_no_curves(inspection: Inspection, tmp_path: Path):
    write_html_report(inspection, tmp_path / "report.html", text="a", log=tmp_path / "log.jsonl")
    assert "polyline" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_dictionary_of_some_layers_says_whose_mlps_it_replaces(dictionary: TranscoderDictionary):
    own = dictionary.transcoders
    some = replace(dictionary, transcoders=replace(own, layers={1: own.layers[1], 2: own.layers[2]}))
    assert dictionary.replaced_mlps == "every MLP"
    assert some.replaced_mlps == "the MLPs of layers 1-2"
    found = inspect_dictionary(some, WINDOWS, graphs=0)
    assert "; with the MLPs of layers 1-2 replaced: KL " in str(found)
    assert "KL, the MLPs of layers 1-2 replaced" in html_report(found, text="a text")


def test_a_dictionary_that_loses_most_answers_has_a_verdict(inspection: Inspection):
    answers = [replace(inspection.replaced.answers[0], kept=kept) for kept in (True, False, False)]
    poor = replace(inspection, replaced=replace(inspection.replaced, answers=tuple(answers)))
    assert poor.verdict.startswith("With every MLP replaced the model keeps 1 of 3 answers; ")
    good = replace(inspection, replaced=replace(inspection.replaced, answers=tuple(answers[:2])))
    assert good.verdict == ""
    assert poor.verdict in html_report(poor, text="a text")


def test_a_plot_of_zeros_has_an_axis_of_ones():
    assert ">1<" in bars("never active", {0: 0.0, 1: 0.0}, 2, str)
