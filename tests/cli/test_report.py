"""What a person reads: odd tokens, negative activations, signs, warnings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from clew.cli.terminal import lines_of, percent, promoted, readable, shortened, size, token
from clew.graph.graph import Graph, NodeKind, OutputTokens
from clew.graph.info import Annotations, GraphInfo, Scores, Target

from .conftest import Run


def small_graph(
    *, activation: float = -2.0, tokens: tuple[str, ...] = ("[b]one[/b]", "\x1b[31mtwo\n")
) -> Graph:
    """Token 1 -> feature L0/7 -> target, token 0 -> target; weights 1, 3 and -1."""
    info = GraphInfo(
        prompt="".join(tokens),
        tokens=tokens,
        model="toy",
        dictionary="neurons",
        targets=(Target(" :smile:", 5, 0.8, 0.8),),
        predictions=((" :smile:", 0.8), ("[red]", 0.0001)),
        scores=Scores(0.5, 0.75),
        conservation=1e-6,
        token_text={token_id: f" t{token_id}" for token_id in range(20)},
        generator="clew 0",
    )
    return Graph(
        node_kind=np.array([NodeKind.FEATURE, NodeKind.TOKEN, NodeKind.TOKEN, NodeKind.TARGET], np.uint8),
        node_layer=np.array([0, -1, -1, 1], np.int16),
        node_position=np.array([1, 0, 1, 1], np.int32),
        node_feature=np.array([7, 3, 4, 5], np.int64),
        node_activation=np.array([activation, np.nan, np.nan, 0.8], np.float32),
        node_influence=np.array([0.6, 0.2, 0.6, 0.0], np.float32),
        edge_offset=np.array([0, 1, 1, 1, 3], np.int64),
        edge_source=np.array([2, 0, 1], np.int32),
        edge_weight=np.array([1, 3, -1], np.float32),
        token_ids=np.array([3, 4], np.int64),
        info=info,
        output_tokens=OutputTokens(
            np.array([0], np.int32),
            np.arange(20, dtype=np.int32)[None],
            np.linspace(1, -1, 20, dtype=np.float32)[None],
        ),
    )


def show(run: Run, graph: Graph, folder: Path) -> str:
    path = graph.save(folder / "graph.clew")
    outcome = run("show", path)
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out


def test_tokens_are_neither_markup_nor_emoji_nor_commands(run: Run, tmp_path: Path):
    out = show(run, small_graph(), tmp_path)
    assert '0 "[b]one[/b]"  1 "\\x1b[31mtwo\\n"' in out
    assert '" :smile:"' in out
    assert '"[red]"' in out
    assert "\x1b" not in out


def test_a_feature_with_negative_activation_promotes_what_it_writes_against(run: Run, tmp_path: Path):
    assert promoted(small_graph(activation=-2), 0)[:2] == ["t10", "t11"]
    assert promoted(small_graph(activation=2), 0)[:2] == ["t0", "t1"]
    line = next(line for line in show(run, small_graph(), tmp_path).splitlines() if "L0/7@1" in line)
    assert "75.0%       -2.00  t10, t11, t12" in line


def test_labels_stand_before_what_is_promoted(run: Run, tmp_path: Path):
    labelled = replace(small_graph(), annotations=Annotations(labels={"0_7_1": "[i]greetings[/i]"}))
    out = show(run, labelled, tmp_path)
    assert "label: promotes" in out
    assert "[i]greetings[/i]: t10" in out


def test_a_summary_comes_first(run: Run, tmp_path: Path):
    """Of three units of flow, the feature passes on the token's; target and feature are fed by groups."""
    out = show(run, small_graph(activation=2), tmp_path)
    lines = out[out.index("In short") : out.index("\nGraph")].splitlines()
    assert lines[1].split() == ["group", "share", "layers", "fed", "by", "group"]
    rows = [line.split("  ") for line in lines[2:] if line]
    assert [cell.strip() for cell in rows[-1] if cell.strip()] == ["4", '" :smile:"', "3 +75%, 1 -25%"]
    assert out.index("In short") < out.index("Most influential features")
    assert all(len(line) <= 80 for line in lines)


def test_a_summary_may_be_smaller_or_left_out(run: Run, tmp_path: Path):
    path = small_graph().save(tmp_path / "graph.clew")
    assert "In short" not in run("show", path, "--groups", 0).out
    out = run("show", path, "--groups", 1).out
    assert "In no group: 57.1% of the influence." in out


def test_names_of_groups_are_neither_markup_nor_commands(run: Run, tmp_path: Path):
    own = Annotations(supernodes=(("[b]\x1b[31mmine", ("0_7_1",)),))
    out = show(run, replace(small_graph(), annotations=own), tmp_path)
    assert "1  [b]\\x1b[31mmine" in out
    assert "\x1b" not in out


def test_a_conservation_gap_is_a_warning_in_words(run: Run, tmp_path: Path):
    fine = show(run, small_graph(), tmp_path)
    assert "Conservation: every row adds up to what it explains, worst gap 1e-06." in fine
    assert "No edge is missing. Whether the model is the one you meant, clew check tests." in fine
    broken = show(run, small_graph().with_info(conservation=0.02), tmp_path)
    assert "Warning: rows do not add up to what they explain; the worst gap is 2.0%" in broken


def test_a_long_prompt_shows_its_beginning_and_its_end(run: Run, tmp_path: Path):
    tokens = tuple(f" w{number}" for number in range(500))
    long = small_graph(tokens=tokens)
    long = replace(
        long,
        token_ids=np.arange(500),
        node_kind=np.array([0, *[2] * 500, 3], np.uint8),
        node_layer=np.array([0, *[-1] * 500, 1], np.int16),
        node_position=np.array([499, *range(500), 499], np.int32),
        node_feature=np.array([7, *range(500), 5], np.int64),
        node_activation=np.array([1, *[np.nan] * 500, 0.8], np.float32),
        node_influence=np.zeros(502, np.float32),
        edge_offset=np.zeros(503, np.int64),
        edge_source=np.zeros(0, np.int32),
        edge_weight=np.zeros(0, np.float32),
    )
    out = show(run, long, tmp_path)
    assert "… 452 more …" in out
    assert '499 " w499"' in out
    assert out.startswith("… w4")
    assert len(out.splitlines()) < 40


def test_a_long_dictionary_breaks_no_name(run: Run, tmp_path: Path):
    name = "google/gemma-scope-2b-pt-transcoders/layer_*/width_16k"
    graph = small_graph().with_info(model="gemma-2-2b", dictionary=name, created="2026-01-02T03:04:05")
    assert show(run, graph, tmp_path).splitlines()[1:3] == [
        f"gemma-2-2b · {name}",
        "traced 2026-01-02 03:04 by clew 0",
    ]


def test_spelling():
    assert token(" Paris") == '" Paris"'
    assert readable("\x1b[0m\u202e日") == "\\x1b[0m\\u202e日"
    assert [percent(share) for share in (0, 0.0001, 0.0005, 0.8059, 1)] == [
        "0.0%",
        "<0.1%",
        "0.1%",
        "80.6%",
        "100.0%",
    ]
    assert percent(0.00001, 2) == "<0.01%"
    assert [size(n) for n in (12, 999, 1500, 93_000_000, 1_200_000_000)] == [
        "12 B",
        "999 B",
        "1.5 kB",
        "93 MB",
        "1.2 GB",
    ]
    assert lines_of(["aaa", "日本", "c"], 9) == ["aaa  日本", "c"]
    assert shortened("0123456789", 5) == "…6789"
