"""Causes of a misfit between transcoders and a model, each tried by undoing it."""
