"""clew: a circuit tracer, which shows the features of a language model that led to its next token.

```python
import clew

model = clew.load("smollm2")
graph = model.trace("The capital of France is")
graph.prune().save("paris.clew")
```

Importing clew is quick: torch is loaded by `clew.load`, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.errors import ClewError
from clew.version import __version__

if TYPE_CHECKING:
    from clew.facade import Model, load
    from clew.feature import Feature, FeatureAt
    from clew.graph.feature_table import compare_features as compare
    from clew.graph.graph import Graph
    from clew.graph.reader import open_graph as open
    from clew.index.storage.index import Index, open_index
    from clew.intervention.intervention import From, Intervention, Source

__all__ = [
    "ClewError",
    "Feature",
    "FeatureAt",
    "From",
    "Graph",
    "Index",
    "Intervention",
    "Model",
    "Source",
    "__version__",
    "compare",
    "load",
    "open",
    "open_index",
]

_HOME = {
    "Feature": ("clew.feature", "Feature"),
    "FeatureAt": ("clew.feature", "FeatureAt"),
    "From": ("clew.intervention.intervention", "From"),
    "Intervention": ("clew.intervention.intervention", "Intervention"),
    "Source": ("clew.intervention.intervention", "Source"),
    "Graph": ("clew.graph.graph", "Graph"),
    "Index": ("clew.index.storage.index", "Index"),
    "Model": ("clew.facade", "Model"),
    "compare": ("clew.graph.feature_table", "compare_features"),
    "load": ("clew.facade", "load"),
    "open": ("clew.graph.reader", "open_graph"),
    "open_index": ("clew.index.storage.index", "open_index"),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'clew' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOME[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
