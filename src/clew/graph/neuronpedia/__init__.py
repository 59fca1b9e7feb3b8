"""Neuronpedia's graph JSON: `to_neuronpedia` and `from_neuronpedia` (plain data; `file.py` does the disk)."""

from clew.graph.neuronpedia.reader import from_neuronpedia
from clew.graph.neuronpedia.writer import to_neuronpedia

__all__ = ["from_neuronpedia", "to_neuronpedia"]
