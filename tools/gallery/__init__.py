"""The gallery's graphs, made from annotations by hand: `python -m tools.gallery [NAME ...]`."""
