"""Tiny tokenizers of every kind: words, bytes with merges, and pieces with a mark for spaces."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = ["The", "capital", "of", "France", "is", "Paris", "Rome", "hot", "cold"]
SPECIAL = ["<s>", "</s>", "<unk>", "<turn>"]
"""Special tokens of every tokenizer here, with the ids 0 to 3."""

TEMPLATES = {
    "nothing": "$A",
    "bos": "<s> $A",
    "eos": "$A </s>",
    "bos and eos": "<s> $A </s>",
}
"""Templates by the special tokens that they add."""


def words() -> Tokenizer:
    """Whole words without their spaces; others are unknown."""
    tokenizer = Tokenizer(models.WordLevel(_numbered([*SPECIAL, *WORDS]), unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    return tokenizer


def byte_level() -> Tokenizer:
    """Bytes in GPT-2's alphabet, merged to words with their space."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces, merges = _merged([*SPECIAL, *alphabet], [*("Ġ" + word for word in WORDS), *WORDS, "âĢ"])
    tokenizer = Tokenizer(models.BPE(vocab=pieces, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    return tokenizer


def byte_fallback(prepend: bool = True) -> Tokenizer:
    """Llama 2's kind: `▁` for a space, one in front, and a token for each byte of other characters."""
    singles = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *sorted(set("▁" + "".join(WORDS)))]
    pieces, merges = _merged(singles, [*("▁" + word for word in WORDS), *WORDS])
    tokenizer = Tokenizer(
        models.BPE(vocab=pieces, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    spaces = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = (  # type: ignore[assignment]
        normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if prepend else spaces
    )
    strip = [decoders.Strip(" ", 1, 0)] if prepend else []
    tokenizer.decoder = decoders.Sequence(  # type: ignore[assignment]
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    return tokenizer


def gemma_like() -> Tokenizer:
    """As `byte_fallback`, with no space in front of the text."""
    return byte_fallback(prepend=False)


def unigram() -> Tokenizer:
    """A unigram model of T5's kind: `▁` for a space, unknown characters lost."""
    pieces = [*SPECIAL, "▁", *("▁" + word for word in WORDS), *WORDS, *sorted(set("".join(WORDS)))]
    tokenizer = Tokenizer(models.Unigram([(piece, -float(rank)) for rank, piece in enumerate(pieces)], 2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()  # type: ignore[assignment]
    tokenizer.decoder = decoders.Metaspace()  # type: ignore[assignment]
    return tokenizer


KINDS = {
    "words": words,
    "byte level": byte_level,
    "byte fallback": byte_fallback,
    "no space in front": gemma_like,
    "unigram": unigram,
}


def finished(tokenizer: Tokenizer, template: str = "nothing") -> PreTrainedTokenizerFast:
    """A tokenizer as transformers loads it, with a template of `TEMPLATES` or one spelled out."""
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single=TEMPLATES.get(template, template),
        special_tokens=[(name, number) for number, name in enumerate(SPECIAL)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=["<turn>"],
    )


def _numbered(pieces: list[str]) -> dict[str, int]:
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def _merged(singles: list[str], words: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary of single pieces and of words, each built up character by character."""
    pieces, merges = list(singles), {}
    for word in words:
        built = word[0]
        for character in word[1:]:
            merges[built, character] = None
            built += character
            pieces.append(built)
    return _numbered(pieces), list(merges)
