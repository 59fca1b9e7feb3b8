"""The small index of the default dictionary that comes with clew, cut from a larger one and labelled.

    python -m tools.demo_index.texts node_modules public-domain.jsonl
    python -m tools.demo_index.sentences gallery-kinds.jsonl
    clew index --data gallery-kinds.jsonl public-domain.jsonl --tokens N --out full.sqlite3
    clew trace "The capital of France is" --keep all --out graphs/capital.clew   (and so on)
    python -m tools.demo_index.small cut full.sqlite3 graphs/*.clew

It holds the features of most influence in the graphs, the most frequent ones, labels by rule, and those of
`labels.tsv`, which clew's authors wrote after reading the features' texts. After a change of that file alone:

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
    cut.add_argument("graph", type=Path, nargs="+", help="graphs that people see first")
    cut.add_argument("--of-each", type=int, default=600, help="features of a graph, by influence")
    cut.add_argument("--frequent", type=int, default=500, help="features by frequency")
    cut.add_argument("--examples", type=int, default=5, help="texts of each kind")
    actions.add_parser("label", help="write labels.tsv into it")
    arguments = parser.parse_args()
    labels = read_labels(LABELS)
    with TemporaryDirectory() as folder:
        small = Path(folder) / "small.sqlite3"
        if arguments.action == "cut":
            features = choose(arguments.full, arguments.graph, arguments.of_each, arguments.frequent)
            cut_index(arguments.full, small, features | set(labels), arguments.examples)
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


def choose(full: Path, graphs: Iterable[Path], of_each: int, frequent: int) -> set[Feature]:
    """The features of most influence in each graph, and the most frequent ones of an index."""
    with clew.open_index(full) as index:
        chosen = set(index.most_frequent(frequent))
    for path in graphs:
        chosen.update(list(sides_by_influence(clew.open(path)))[:of_each])
    return chosen


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
