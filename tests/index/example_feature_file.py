"""Made-up feature files, to write and to read back."""

from __future__ import annotations

from clew.feature import Feature
from clew.index.exchange.feature_file import BOTTOM, TOP, FeatureFile, FileExample, Quantile


def details(layer: int = 2, feature: int = 5) -> FeatureFile:
    """A feature file with a value in every field, and texts that need care."""
    top = FileExample(
        (" the", " capital", ' "of"\n', " 日本", "\u202e"), (0.0, 4.5, -0.25, 0.0, 1e-30), peak=1
    )
    return FeatureFile(
        Feature(layer, feature),
        transcoder="org/transcoders",
        quantiles=(
            Quantile(TOP, (top, FileExample((" a",), (3.0,), peak=0, repeated=True))),
            Quantile(BOTTOM, (FileExample((" b", " c"), (-2.5, 0.0), peak=0),)),
            Quantile("Subsample Interval 0", ()),
        ),
        top_outputs=(" Paris", "é", ""),
        bottom_outputs=(" x",),
        minimum=-2.5,
        maximum=4.5,
        histogram=(1.0, 0.0, 7.0),
        quantile_values=(0.1, 0.5),
        frequency=0.003,
        more={"label": "capitals", "frequent_tokens": [[" capital", 0.5]]},
    )


def several() -> list[FeatureFile]:
    """Feature files of three layers, with features missing in between."""
    places = [(0, 0), (0, 3), (1, 7), (11, 0), (11, 1)]
    return [details(layer, feature) for layer, feature in places]
