"""The checks behind `clew check`: a loaded model against its files, transformers, autograd and itself."""
