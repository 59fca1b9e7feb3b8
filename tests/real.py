"""The two small real models, loaded once per test run, and prompts that they answer correctly."""

from __future__ import annotations

from functools import lru_cache

from clew.dictionary.replaced_model import PROMPTS
from clew.model.language_model import LanguageModel
from clew.model.loading import load_language_model
from clew.model.reference import resolve

SMOLLM2_ANSWERS = tuple(
    zip(
        PROMPTS,
        (" Paris", " cold", " Berlin", " Au", " down", " cars", "IA", " Shakespeare", " Mary", " is"),
        strict=True,
    )
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
