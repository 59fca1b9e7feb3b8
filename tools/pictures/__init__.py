"""Makers of the pictures of the documentation."""
