"""`clew annotate`: label and pin nodes of a graph, and group them as supernodes."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from clew.cli.arguments import file_ending_in
from clew.errors import ClewError
from clew.feature import Feature
from clew.files import check_writable, named_path

SUMMARY = "label, pin and group nodes of a graph"
USAGE = "FILE [options]"
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew
  clew annotate paris.clew --group "capital=L24/1254@5,L29/1254@5" --out my.clew
  clew validate my.clew --nodes capital --circuit zero"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .clew file, or a graph in Neuronpedia's JSON")
    what = parser.add_argument_group("annotations (options may be repeated)")
    for option, metavar, read, text in (
        ("--label", "NODE=TEXT", _label, "label a node (L24/1005@5), or a feature everywhere (L24/1005)"),
        ("--group", "NAME=NODE,...", _group, "group these nodes as the supernode NAME"),
        ("--pin", "NODE", str, "pin a node"),
    ):
        what.add_argument(option, action="append", default=[], type=read, metavar=metavar, help=text)
    parser.add_argument_group("output").add_argument(
        "--out",
        type=_graph_file,
        metavar="FILE",
        help="save the graph here, as .clew or .json (default: FILE)",
    )


def run(arguments: argparse.Namespace) -> None:
    if not (arguments.label or arguments.group or arguments.pin):
        raise ClewError("annotate needs --label, --group or --pin; see clew annotate --help")
    destination: Path = arguments.out or named_path(arguments.file)
    from clew.file_lock import changing

    with changing(destination):
        saved = _annotate(arguments, destination)
    print(f"Saved  {saved}")


def _annotate(arguments: argparse.Namespace, destination: Path) -> Path:
    from clew.graph.reader import open_graph

    graph = open_graph(arguments.file)
    check_writable(destination)
    features = {node: text for node, text in arguments.label if Feature.match(node)}
    annotated = graph.annotate(
        labels={node: text for node, text in arguments.label if node not in features},
        feature_labels=features,
        supernodes=dict(arguments.group),
        pins=arguments.pin,
    )
    if arguments.out and destination.suffix.lower() == ".json":
        from clew.cli.index_lookup import with_labels_of_index

        annotated = with_labels_of_index(annotated)
    return annotated.save(destination)


def _label(text: str) -> tuple[str, str]:
    node, equals, label = text.partition("=")
    if not (node and equals):
        raise ArgumentTypeError(f"expected a node and its label such as L24/1005@5='a capital', not {text!r}")
    return node, label


def _group(text: str) -> tuple[str, list[str]]:
    name, equals, nodes = text.rpartition("=")
    if not (name and equals):
        raise ArgumentTypeError(
            f"expected a name and nodes such as 'Say a capital=L24/1254@5,L29/1254@5', not {text!r}"
        )
    return name, [node.strip() for node in nodes.split(",") if node.strip()]


def _graph_file(text: str) -> Path:
    readers: list[Callable[[str], Path]] = [file_ending_in(suffix) for suffix in (".clew", ".json")]
    return readers[text.lower().endswith(".json")](text)
