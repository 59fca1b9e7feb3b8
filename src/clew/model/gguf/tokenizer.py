"""The tokenizer that a GGUF file's metadata means."""

from __future__ import annotations

from typing import Any, cast

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.tokenization_utils_base import generate_merges

from clew.model.gguf.header import Damaged, GgufError
from clew.model.gguf.metadata import Metadata
from clew.model.gguf.splitting import ADDS_BOS, SPLITTING_OF_ARCHITECTURE, SPLITTINGS, WHOLE_WORDS
from clew.model.library_calls import library_call
from clew.progress import OnNote

CONTROL, USER_DEFINED = 3, 4
TOKEN_TYPES = range(1, 7)
"""Normal, unknown, control, user-defined, unused, byte."""

HARMLESS = (
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.seperator_token_id",
    "tokenizer.ggml.mask_token_id",
    "tokenizer.ggml.cls_token_id",
    "tokenizer.ggml.fim_pre_token_id",
    "tokenizer.ggml.fim_suf_token_id",
    "tokenizer.ggml.fim_mid_token_id",
    "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_rep_token_id",
    "tokenizer.ggml.fim_sep_token_id",
    "tokenizer.ggml.prefix_token_id",
    "tokenizer.ggml.suffix_token_id",
    "tokenizer.ggml.middle_token_id",
)
"""Ids of tokens that have a use in a chat or in an editor; no text is split by them."""


def tokenizer_of(metadata: Metadata, on_note: OnNote) -> PreTrainedTokenizerFast:
    """The tokenizer of a file. Raises `GgufError`, by the key's name, for one that cannot be rebuilt."""
    model = metadata.text("tokenizer.ggml.model")
    tokens = metadata.items("tokenizer.ggml.tokens", str)
    if not tokens or len(set(tokens)) != len(tokens):
        raise Damaged("tokenizer.ggml.tokens has a token twice, or none")
    types = _one_per_token(metadata, "tokenizer.ggml.token_type", int, len(tokens))
    if unknown := set(types).difference(TOKEN_TYPES):
        raise GgufError(f"tokenizer.ggml.token_type has the unknown type {min(unknown)}")
    if model == "gpt2":
        backend, adds_bos = _byte_level(metadata, tokens, types, on_note)
    elif model == "llama":
        backend, adds_bos = _sentencepiece(metadata, tokens)
    else:
        raise metadata.refusal("tokenizer.ggml.model", "gpt2 or llama, which clew can rebuild")
    _add_whole_tokens(backend, tokens, types)
    _read_harmless(metadata)
    tokenizer = _with_special_tokens(metadata, backend, tokens, adds_bos)
    if len(tokenizer) != len(tokens):
        raise Damaged("two of its tokens have the same bytes")
    return tokenizer


def _one_per_token(metadata: Metadata, key: str, kind: type, n_tokens: int) -> list[Any]:
    values = metadata.items(key, kind)
    if len(values) != n_tokens:
        raise Damaged(f"{key} has {len(values):,} values for {n_tokens:,} tokens")
    return values


def _merges(metadata: Metadata) -> list[tuple[str, str]]:
    merges = metadata.items("tokenizer.ggml.merges", str)
    pairs = [tuple(merge.split(" ")) for merge in merges]
    if bad := next((pair for pair in pairs if len(pair) != 2), None):
        raise Damaged(f"tokenizer.ggml.merges has {' '.join(bad)!r}, which is not two parts")
    return cast(list[tuple[str, str]], pairs)


def _byte_level(
    metadata: Metadata, tokens: list[str], types: list[int], on_note: OnNote
) -> tuple[Tokenizer, bool]:
    """Byte-level BPE, and whether it puts BOS in front where the file does not say."""
    name = _splitting(metadata, on_note)
    if metadata.flag("tokenizer.ggml.add_space_prefix", False):
        raise metadata.refusal("tokenizer.ggml.add_space_prefix", "false, as byte-level tokens have it")
    spelling = bytes_to_unicode()
    alphabet = set(spelling.values())

    def spelled(token: str, kind: int) -> str:
        whole = kind in (CONTROL, USER_DEFINED) or alphabet.issuperset(token)
        return token if whole else "".join(spelling[byte] for byte in token.encode())

    vocabulary = {
        spelled(token, kind): index for index, (token, kind) in enumerate(zip(tokens, types, strict=True))
    }
    backend = _bpe(
        vocabulary,
        _merges(metadata),
        continuing_subword_prefix="",
        end_of_word_suffix="",
        fuse_unk=False,
        ignore_merges=name in WHOLE_WORDS,
    )
    backend.pre_tokenizer, backend.decoder = SPLITTINGS[name](), decoders.ByteLevel()
    return backend, name in ADDS_BOS


def _splitting(metadata: Metadata, on_note: OnNote) -> str:
    name = metadata.text("tokenizer.ggml.pre", None)
    if name is None:
        name = SPLITTING_OF_ARCHITECTURE.get(metadata.architecture)
    if name is None:
        on_note(
            "The file has no tokenizer.ggml.pre, so its text is split by llama.cpp's default, which may not "
            "be the model's own."
        )
        return "default"
    if name not in SPLITTINGS:
        raise metadata.refusal("tokenizer.ggml.pre", "a way to split text that clew knows")
    return name


def _sentencepiece(metadata: Metadata, tokens: list[str]) -> tuple[Tokenizer, bool]:
    """SentencePiece's BPE, which puts BOS in front where the file does not say; merges follow from scores."""
    scores = _one_per_token(metadata, "tokenizer.ggml.scores", float, len(tokens))
    if metadata.text("tokenizer.ggml.pre", "default") != "default":
        raise metadata.refusal("tokenizer.ggml.pre", "default, as SentencePiece tokens have it")
    if metadata.flag("tokenizer.ggml.remove_extra_whitespaces", False):
        raise metadata.refusal("tokenizer.ggml.remove_extra_whitespaces", "false")
    gemma = metadata.architecture.startswith("gemma")
    prefix = metadata.flag("tokenizer.ggml.add_space_prefix", not gemma)
    if prefix and gemma:
        raise metadata.refusal("tokenizer.ggml.add_space_prefix", "false, as Gemma's tokens have it")
    if gemma:  # runs of spaces are spelled with spaces, and merges follow the order of tokens
        tokens = ["▁" * len(token) if token and not token.strip(" ") else token for token in tokens]
        scores = [float(-index) for index in range(len(tokens))]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    merges = generate_merges(vocabulary, dict(zip(tokens, scores, strict=True)))
    unknown = metadata.whole("tokenizer.ggml.unknown_token_id", None, least=0)
    options = {} if unknown is None else {"unk_token": tokens[unknown]}
    backend = _bpe(vocabulary, merges, fuse_unk=True, byte_fallback=True, **options)
    _set_spaces(backend, metadata.architecture, prefix)
    return backend, True


def _set_spaces(backend: Any, architecture: str, prefix: bool) -> None:
    """Spell spaces as ▁; with `prefix`, put one in front of a text and take it off again."""
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *([decoders.Strip(content=" ", left=1)] if prefix else []),
        ]
    )
    if architecture.startswith("gemma"):
        backend.normalizer = normalizers.Replace(" ", "▁")
        backend.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous", invert=False)
    elif architecture == "phi3" and prefix:
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        scheme = "first" if prefix else "never"
        backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme, split=False)


def _bpe(vocabulary: dict[str, int], merges: list[tuple[str, str]], **options: Any) -> Any:
    with library_call(lambda reason: f"its tokenizer cannot be rebuilt: {reason}", Damaged):
        return Tokenizer(BPE(vocab=vocabulary, merges=merges, **options))


def _add_whole_tokens(backend: Tokenizer, tokens: list[str], types: list[int]) -> None:
    """Tokens that are found in a text before anything else: special ones, and those that a user defined.

    Gemma's runs of spaces are among the latter; they have another spelling and are found by merging.
    """
    vocabulary = backend.get_vocab(with_added_tokens=False)
    for kind in (CONTROL, USER_DEFINED):
        special = kind == CONTROL
        whole = [
            AddedToken(token, normalized=False, special=special)
            for token, each in zip(tokens, types, strict=True)
            if each == kind and token in vocabulary
        ]
        (backend.add_special_tokens if special else backend.add_tokens)(whole)


def _read_harmless(metadata: Metadata) -> None:
    """Mark as read the ids of `HARMLESS`, which must be ids all the same."""
    for key in HARMLESS:
        metadata.whole(key, None, least=0)


def _with_special_tokens(
    metadata: Metadata, backend: Tokenizer, tokens: list[str], adds_bos: bool
) -> PreTrainedTokenizerFast:
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    special: dict[str, Any] = {}
    for name, key in names.items():
        token = metadata.whole(f"tokenizer.ggml.{key}_token_id", None, least=0)
        special[name] = None if token is None else tokens[token]
    if metadata.flag("tokenizer.ggml.add_sep_token", False):
        raise metadata.refusal("tokenizer.ggml.add_sep_token", "false, as a model that predicts text has it")
    ends = {
        "bos_token": metadata.flag("tokenizer.ggml.add_bos_token", adds_bos),
        "eos_token": metadata.flag("tokenizer.ggml.add_eos_token", False),
    }
    for name, added in ends.items():
        if added and special[name] is None:
            raise GgufError(f"it adds {name} to each text, but has no tokenizer.ggml.{name}_id")
    first, last = ([special[name]] if added else [] for name, added in ends.items())
    untyped: Any = backend
    untyped.post_processor = processors.TemplateProcessing(
        single=[*first, "$A", *last],
        pair=[*first, "$A", *last, *(f"{each}:1" for each in first), "$B:1", *(f"{each}:1" for each in last)],
        special_tokens=[(token, tokens.index(token)) for token in {*first, *last}],
    )
    if (template := metadata.text("tokenizer.chat_template", None)) is not None:
        special["chat_template"] = template
    return PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=False, **special)
