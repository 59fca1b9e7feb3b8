"""Neuronpedia's graph JSON as plain data: `reader.from_neuronpedia` and `writer.to_neuronpedia`."""
