"""Reference pages of the documentation, made from the code: `python -m tools.reference` writes them."""
