"""The report and the model card that a run leaves, on tiny models."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields

import pytest
import yaml

from clew.cli.options import settings_of
from clew.cli.parser import build_parser
from clew.training.model_card import command
from clew.training.settings import TrainSettings
from tests.training.test_session import SMALL, model


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clew.inspection.inspection.PROMPTS", ("w30 w41 w35", "w52 w33"))
        return model().train(tmp_path_factory.mktemp("runs") / "mine & yours", **SMALL, bits=4)


def test_the_report_has_the_figures_of_the_weights_as_saved_and_the_curves_of_training(trained):
    page = (trained.folder / "report.html").read_text(encoding="utf-8")
    assert "<h1>mine &amp; yours</h1>" in page
    assert page.count("<polyline") == 6  # FVU and L0 of both stages, dead features, KL
    assert f"{trained.figures.quality.fvu:.3f}" in page
    assert trained.figures.quality.n_positions == 64 * (SMALL["context"] - 1)
    assert len(trained.figures.traced) == 2
    assert all(each.neurons is not None for each in trained.figures.traced)


def test_the_model_card_says_what_the_weights_are_and_leaves_the_licence_open(trained):
    card = (trained.folder / "README.md").read_text(encoding="utf-8")
    _, front, text = card.split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["base_model"] == "tiny"
    assert "license" not in facts
    assert "# license: the author's to choose" in front
    assert "Per-layer transcoders of tiny" in text
    assert "3 layers of 48\nfeatures" in text
    assert f"| FVU | {trained.figures.quality.fvu:.3f} |" in text
    assert "| replacement |" in text
    assert f"`{trained.dictionary.sink}`" in text
    assert "clew dictionary save 'mine & yours' expanded" in text
    assert not re.search(r"[{}]", text)


def test_the_command_in_the_card_gives_the_settings_again():
    given = TrainSettings(
        out="runs/mine", data=["self", "/elsewhere/texts.jsonl"], features=48, kind="skip-plt", l0=6.5, bits=4
    )
    words = shlex.split(command(given, "smollm2"))
    assert "elsewhere" not in " ".join(words)
    read = settings_of(build_parser().parse_args(words[1:]), TrainSettings)
    for field in fields(TrainSettings):
        if field.name not in ("out", "data"):
            assert getattr(read, field.name) == getattr(given, field.name), field.name
    assert read.data == ["self", "texts.jsonl"]
