"""Python code that repeats an intervention in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clew.graph.graph import Graph
from clew.intervention.intervention import From
from clew.load_settings import LoadSettings
from clew.options import options_of
from clew.server.interventions import PlacedChange, sink_of_text, sink_of_token_ids
from clew.server.schemas.jobs import InterveneRequest


def python_for(
    loaded: LoadSettings,
    path: Path,
    changes: Sequence[PlacedChange],
    request: InterveneRequest,
    graph: Graph,
) -> str:
    """A program that prints the same results; `loaded` are the arguments of `clew.load`."""
    options = [
        f", {option.name}={getattr(loaded, option.name)!r}"
        for option in options_of(LoadSettings).values()
        if option.name != "reference" and getattr(loaded, option.name) != option.default
    ]
    sink = ', sink="none"' if sink_of_token_ids(graph) else ""
    strengths = f"strengths={list(request.strengths)!r}"
    lines = [
        "import clew",
        "from clew import Feature, From, Intervention",
        "",
        f"model = clew.load({loaded.reference!r}{''.join(options)})",
        f"graph = clew.open({str(path)!r})",
        "prompt = graph.token_ids.tolist()",
        "changes = [",
        *(f"    {_change(placed, sink_of_text(graph))}," for placed in changes),
        "]",
        f"results = model.intervene(prompt, changes, {request.regime!r}, {strengths}, graph=graph{sink})",
        "for result in results:",
        "    print(result)",
    ]
    if request.generate:
        lines += [
            f"texts = model.generate(prompt, changes, {request.generate}, {strengths}{sink})",
            "for text in texts:",
            "    print(text)",
        ]
    return "\n".join(lines) + "\n"


def _change(placed: PlacedChange, sink: str) -> str:
    change, source = placed.change, placed.change.source
    features = f"[{', '.join(f'Feature({each.layer}, {each.index})' for each in placed.features)}]"
    at = placed.positions
    positions = f"positions={f'From({at.position})' if isinstance(at, From) else repr(at)}"
    if change.how == "patch" and source is not None:
        return (
            f"*model.patch({features}, {source.prompt!r}, source_position={source.position}, {positions}, "
            f"graph=graph, sink={sink!r})"
        )
    value = "" if change.value is None else f", value={change.value!r}"
    return f"Intervention({features}, {positions}, how={change.how!r}{value})"
