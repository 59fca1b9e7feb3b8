"""The settings that only commands have; nothing here needs rich."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

Count = Annotated[int, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """Sizes of the parts of a graph's report; 0 leaves a part out."""

    groups: Count = 12
    """Groups that sum the graph up."""
    top: Count = 15
    """Most influential features to list."""
    paths: Count = 8
    """Strongest paths to list."""
    examples: Count = 2
    """Texts to print for each of the first five features."""


@dataclass(frozen=True, kw_only=True)
class FeatureReportSettings:
    """Size of the report of one feature."""

    examples: Count = 5
    """Texts of each kind to print."""


@dataclass(frozen=True, kw_only=True)
class InterventionReportSettings:
    """Size of the report of an intervention."""

    top: Count = 10
    """Features to list that were not changed but moved most; 0 lists none."""


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Size of a comparison's report."""

    features: Annotated[int, Ge(1)] = 30
    """Features to list, most influential first."""


@dataclass(frozen=True, kw_only=True)
class TraceOutput:
    """The graph that a trace writes."""

    keep: Literal["pruned", "all"] = "pruned"
    """Graph that --out and --open keep."""


@dataclass(frozen=True, kw_only=True)
class FigureSettings:
    """Choice and look of a figure."""

    view: Literal["story", "summary", "chosen", "everything"] = "story"
    """View of the page to draw."""
    theme: Literal["light", "dark"] = "light"
    """Colors of the figure."""
    scale: Annotated[float, Ge(0.25), Le(10)] = 2.0
    """Pixels of a PNG for each pixel on the page."""


@dataclass(frozen=True, kw_only=True)
class CutSettings:
    """Size of an index of chosen features."""

    examples: Count | None = None
    """Most texts of each kind to keep (by default all)."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings(CutSettings):
    """Form and size of detail files."""

    format: Literal["json", "packed"] = "json"
    """Json (one file for each feature) or packed (one file for each layer)."""
