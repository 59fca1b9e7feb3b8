"""Python that repeats an intervention, for a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.intervention.intervention import Feature, From, Positions

if TYPE_CHECKING:
    from clew.server.interventions import Places


def python_for(
    wanted: Mapping[str, Any],
    path: Path,
    groups: Sequence[tuple[Mapping[str, Any], Places]],
    request: Mapping[str, Any],
    sink: str | None,
) -> str:
    """A program that prints the same results; `wanted` is what `clew.load` gets."""
    options = {name: value for name, value in wanted.items() if name != "model"}
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    of_ids = ', sink="none"' if sink == "none" else ""
    lines = [
        "import clew",
        "from clew import Feature, From, Intervention",
        "",
        f"model = clew.load({wanted['model']!r}{given})",
        f"graph = clew.open({str(path)!r})",
        "prompt = graph.token_ids.tolist()",
        "changes = [",
        *(f"    {each}," for change, places in groups for each in _changes(change, places, sink)),
        "]",
        f"results = model.intervene(prompt, changes, {request['regime']!r}, "
        f"strengths={request['strengths']!r}, graph=graph{of_ids})",
        "for result in results:",
        "    print(result)",
    ]
    if request["generate"]:
        lines += [
            f"texts = model.generate(prompt, changes, {request['generate']}, "
            f"strengths={request['strengths']!r}{of_ids})",
            "for text in texts:",
            "    print(text)",
        ]
    return "\n".join(lines) + "\n"


def _changes(change: Mapping[str, Any], places: Places, sink: str | None) -> list[str]:
    found = []
    for positions, features in places:
        named = f"[{', '.join(_feature(feature) for feature in features)}]"
        where = f"positions={_positions(positions)}"
        if change["how"] == "swap":
            source = change["source"]
            found.append(
                f"*model.patch({named}, {source['prompt']!r}, source_position={source['position']}, {where}, "
                f"graph=graph, sink={sink!r})"
            )
        else:
            value = "" if change["value"] is None else f", value={change['value']!r}"
            found.append(f"Intervention({named}, {where}, how={change['how']!r}{value})")
    return found


def _feature(feature: Feature) -> str:
    return f"Feature({feature.layer}, {feature.index})"


def _positions(positions: Positions) -> str:
    return f"From({positions.position})" if isinstance(positions, From) else repr(positions)
