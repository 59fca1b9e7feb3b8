"""Graphs that come with clew, annotated by hand, with the interventions that test what they say."""
