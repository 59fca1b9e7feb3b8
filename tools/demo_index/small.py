"""The small index of the default dictionary that comes with clew, cut from a larger one and labelled.

    python -m tools.demo_index.texts node_modules public-domain.jsonl
    python -m tools.demo_index.sentences gallery-kinds.jsonl
    clew index --data gallery-kinds.jsonl public-domain.jsonl --tokens N --out full.sqlite3
    clew trace "The capital of Germany is" --out others/germany.clew   (and so on)
    python -m tools.demo_index.small cut full.sqlite3 gallery/*.clew --others others/*.clew

It holds the features of the gallery's supernodes, those of most influence in its graphs and others, and
the most frequent. Labels are made by rule, or are those of `labels.tsv`, which clew's authors wrote after
reading the features' texts. After a change of that file alone:

    python -m tools.demo_index.small label
"""

from __future__ import annotations

import argparse
import lzma
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import clew
from clew.feature import Feature
from clew.graph.graph import Graph
from clew.index.exchange.exporting import cut_index
from clew.index.labels.graph_features import sides_by_influence
from clew.index.labels.token_labels import RuleLabels, label_by_rule
from clew.index.storage.index import Index
from clew.index.storage.labels import Label
from clew.index.storage.locations import SHIPPED
from clew.index.storage.metadata import read_metadata, write_metadata
from clew.index.storage.schema import connect
from clew.sqlite import transaction

PACKED = SHIPPED / "smollm2--smollm2-plt.sqlite3.xz"
LABELS = Path(__file__).parent / "labels.tsv"
AUTHOR = "clew's authors"


def main() -> None:
    """Write the packed index."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    cut = actions.add_parser("cut", help="cut it from a larger index")
    cut.add_argument("full", type=Path, help="an index of every feature")
    cut.add_argument("graph", type=Path, nargs="+", help="graphs of the gallery")
    cut.add_argument("--of-gallery", type=int, default=900, help="features of each, by influence")
    cut.add_argument("--others", type=Path, nargs="*", default=[], help="graphs of which to keep fewer")
    cut.add_argument("--of-others", type=int, default=100, help="features of each, by influence")
    cut.add_argument("--frequent", type=int, default=200, help="features by frequency")
    cut.add_argument("--examples", type=int, default=3, help="texts of each kind")
    actions.add_parser("label", help="write labels.tsv into it")
    arguments = parser.parse_args()
    labels = read_labels(LABELS)
    with TemporaryDirectory() as folder:
        small = Path(folder) / "small.sqlite3"
        if arguments.action == "cut":
            features = set(labels)
            for path in arguments.graph:
                graph = clew.open(path)
                features.update(list(sides_by_influence(graph))[: arguments.of_gallery])
                features.update(members(graph))
            for path in arguments.others:
                features.update(list(sides_by_influence(clew.open(path)))[: arguments.of_others])
            with clew.open_index(arguments.full) as full:
                features.update(full.most_frequent(arguments.frequent))
            cut_index(arguments.full, small, features, arguments.examples)
        else:
            small.write_bytes(lzma.decompress(PACKED.read_bytes()))
        with clew.open_index(small, writable=True) as index:
            known = index.most_frequent(index.metadata.n_features)
            if arguments.action == "cut":
                label_by_rule(index, known, {}, RuleLabels())
            add_labels(index, known, labels)
        tidy(small)
        PACKED.write_bytes(lzma.compress(small.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(known):,} features, {len(labels)} labels by hand, {PACKED.stat().st_size / 1e6:.1f} MB")


def members(graph: Graph) -> Iterable[Feature]:
    """The features of a graph's supernodes."""
    nodes = {name: node for node, name in enumerate(graph.node_ids)}
    for _, names in graph.annotations.supernodes:
        for node in (nodes[name] for name in names):
            if graph.node_feature[node] >= 0:
                yield Feature(int(graph.node_layer[node]), int(graph.node_feature[node]))


def read_labels(file: Path) -> dict[Feature, str]:
    """The labels of a file with a feature, a tab and its label in each line; lines with # are remarks."""
    lines = (line for line in file.read_text(encoding="utf-8").splitlines() if line and line[0] != "#")
    return {Feature.parse(name): label for name, _, label in (line.partition("\t") for line in lines)}


def add_labels(index: Index, features: Iterable[Feature], labels: Mapping[Feature, str]) -> None:
    """Give features the authors' labels, and take back those that are no longer in the file."""
    before: dict[Feature, Label] = {
        feature: label for feature, label in index.labels(features).items() if label.source == "person"
    }
    now = dict.fromkeys(before, "") | dict(labels)
    changed = {
        feature: text
        for feature, text in now.items()
        if feature not in before or before[feature].text != text
    }
    index.set_labels(changed, "person", author=AUTHOR)


def tidy(file: Path) -> None:
    """Name the texts without their folders, and give back the room of what was deleted."""
    with closing(connect(file, writable=True)) as connection:
        metadata = read_metadata(connection, file)
        names = tuple(Path(name).name for name in metadata.corpus)
        with transaction(connection):
            write_metadata(connection, replace(metadata, corpus=names))
        connection.execute("VACUUM")


if __name__ == "__main__":
    main()
