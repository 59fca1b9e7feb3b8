"""The two small real models, loaded once per test run, and prompts that they answer correctly."""

from __future__ import annotations

from functools import lru_cache

from clew.model.language_model import LanguageModel
from clew.model.loading import load_language_model
from clew.model.reference import resolve

SMOLLM2_ANSWERS = (
    ("The capital of France is", " Paris"),
    ("The opposite of hot is", " cold"),
    ("Fact: the capital of Germany is", " Berlin"),
    ("The chemical symbol for gold is", " Au"),
    ("big -> small, hot -> cold, up ->", " down"),
    ("cat -> cats, dog -> dogs, car ->", " cars"),
    ("The Central Intelligence Agency (C", "IA"),
    ("Shakespeare wrote Hamlet. Hamlet was written by William", " Shakespeare"),
    ("When Mary and John went to the store, John gave a drink to", " Mary"),
    ("The keys to the cabinet are on the table. The key to the cabinet", " is"),
)
"""Capitals, antonyms, symbols, sequences, plurals, acronyms, authors, people, agreement."""

GEMMA_ANSWERS = (
    ("Michael Jordan plays the sport of", " basketball"),
    ("Dallas is a city in the state of", " Texas"),
    ("Paris is the capital of France. Rome is the capital of", " Italy"),
    ("The official language of Brazil is", " Portuguese"),
    ("big -> small, hot -> cold, up ->", " down"),
    ("walk -> walked, talk -> talked, jump ->", " jumped"),
    ("The author of Romeo and Juliet is William", " Shakespeare"),
    ("grand -> petit, chaud -> froid, haut ->", " bas"),
)


@lru_cache(maxsize=2)
def real_model(name: str) -> LanguageModel:
    files = resolve(name)
    return load_language_model(files.folder, name=files.name)
