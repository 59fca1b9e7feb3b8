"""Weights of per-layer transcoders of SmolLM2 135M Instruct, in the folder `weights`; there is no code."""
