"""Write what the page knows of the server: `python web/page_types.py`, with `--check` to compare alone.

`src/api/types.ts` has the server's JSON as types, made from its OpenAPI description; `src/api/options.ts` has
defaults, bounds and sentences of the options that the page's forms hold.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from npm import WEB, environment

from clew.graph.conservation import LARGEST_GAP
from clew.graph.notes import SENTENCES
from clew.intervention.intervention import HOW
from clew.intervention.settings import REGIMES
from clew.options import Option, options_of
from clew.server.app import make_api
from clew.server.schemas.jobs import POSITIONS, InterveneRequest, NodeChange, SwapRequest, TraceRequest
from clew.sink import MOST_CHANGE

FORMS = {
    "TRACE_OPTIONS": TraceRequest,
    "INTERVENTION_OPTIONS": InterveneRequest,
    "CHANGE_OPTIONS": NodeChange,
    "SWAP_OPTIONS": SwapRequest,
}
HEAD = "/** Generated from the server by `make page-types`; do not edit. */\n\n"


def main() -> int:
    made = {"types.ts": types(), "options.ts": options()}
    folder = WEB / "src" / "api"
    stale = [
        name
        for name, text in made.items()
        if not (folder / name).exists() or (folder / name).read_text() != text
    ]
    if "--check" in sys.argv[1:]:
        if stale:
            print(f"{' and '.join(stale)} in {folder} is out of date; run make page-types.", file=sys.stderr)
        return len(stale)
    for name in stale:
        (folder / name).write_text(made[name])
    return 0


def types() -> str:
    """The schemas of the API as TypeScript."""
    with tempfile.TemporaryDirectory() as folder:
        description, written = Path(folder) / "openapi.json", Path(folder) / "types.ts"
        description.write_text(json.dumps(_schemas_alone()))
        program = WEB / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
        flags = ["--root-types", "--root-types-no-schema-prefix", "--root-types-keep-casing"]
        command = ["node", program, description, *flags, "--output", written]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())
        return HEAD + written.read_text().partition("*/\n\n")[2]


def _schemas_alone() -> dict[str, Any]:
    """The OpenAPI description without routes, in which every field is there: the page sends them all."""
    described = make_api().openapi()
    schemas = described["components"]["schemas"]
    for schema in schemas.values():
        schema.pop("title", None)
        for field in schema.get("properties", {}).values():
            field.pop("title", None)
        if "properties" in schema:
            schema["required"] = list(schema["properties"])
    return {
        "openapi": described["openapi"],
        "info": described["info"],
        "paths": {},
        "components": {"schemas": schemas},
    }


def options() -> str:
    """Defaults, bounds and sentences of options and choices in the page's forms, and of notes on graphs."""
    objects: dict[str, Any] = {
        name: {
            option.name: _described(option) for option in options_of(form).values() if _has_default(option)
        }
        for name, form in FORMS.items()
    }
    objects["REGIMES"] = REGIMES
    objects["HOWS"] = {how: dataclasses.asdict(way) for how, way in HOW.items()}
    objects["POSITIONS"] = POSITIONS
    objects |= {"GRAPH_SENTENCES": SENTENCES, "LARGEST_GAP": LARGEST_GAP, "MOST_CHANGE": MOST_CHANGE}
    return HEAD + "\n".join(
        f"export const {name} = {json.dumps(value, indent=2, ensure_ascii=False)} as const;\n"
        for name, value in objects.items()
    )


def _has_default(option: Option) -> bool:
    return option.default is not dataclasses.MISSING


def _described(option: Option) -> dict[str, Any]:
    """`above` is a bound that the value itself must not have."""
    return {
        "default": option.default,
        "minimum": option.at_least,
        "above": option.above,
        "maximum": option.at_most,
        "choices": list(option.choices),
        "sentence": option.sentence,
    }


if __name__ == "__main__":
    sys.exit(main())
