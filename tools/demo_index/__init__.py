"""Maker of the texts of the index that comes with clew."""
