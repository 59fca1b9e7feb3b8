"""Metadata of a GGUF file, of which every entry is used, known to be harmless, or refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from clew.model.gguf.header import GgufError

HARMLESS_GENERAL = (
    "file_type",
    "base_model.count",
    "dataset.count",
    "sampling.",
    "parameter_count",
    "quantization_version",
    "alignment",
)
"""Numbers under `general.` that describe the file or advise a sampler; texts there only describe."""

HARMLESS_NAMESPACES = ("quantize.", "mradermacher.", "tokenizer.chat_template.", "tokenizer.chat_templates")
"""Beginnings of keys that say how a file was quantised, or hold chat templates beside the default one."""

PER_LAYER = ("attention.head_count", "attention.head_count_kv", "feed_forward_length", "expert_used_count")
"""Keys that may list a number for each layer; transformers has one for all of them."""

HARMLESS = (
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "rope.scaling.finetuned",
    "tensor_data_layout",
)
"""Keys that change nothing where an architecture does not read them, such as another norm's."""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "attention.causal": (True,),
    "attention.clamp_kqv": (0.0,),
    "attention.max_alibi_bias": (0.0,),
    "attention.output_scale": (0.0, 1.0),
    "attention.scale": (0.0,),
    "attention.shared_kv_layers": (0,),
    "attention.sliding_window": (0,),
    "attention.temperature_length": (0,),
    "attention.temperature_scale": (0.0,),
    "attention.value_scale": (1.0,),
    "attn_logit_softcapping": (0.0,),
    "embedding_scale": (0.0, 1.0),
    "expert_count": (0,),
    "expert_gating_func": (0, 1),
    "expert_group_count": (0, 1),
    "expert_group_used_count": (0, 1),
    "expert_shared_count": (0,),
    "expert_used_count": (0,),
    "expert_weights_scale": (0.0, 1.0),
    "final_logit_softcapping": (0.0,),
    "leading_dense_block_count": (0,),
    "logit_scale": (0.0, 1.0),
    "nextn_predict_layers": (0,),
    "pooling_type": (0,),
    "residual_scale": (0.0, 1.0),
    "rope.scaling.alpha": (0.0,),
    "use_parallel_residual": (False,),
}
"""Values with which a key changes nothing, for keys that an architecture gives no other meaning."""

T = TypeVar("T")
REQUIRED: Any = object()
"""The default of a key that must be there."""


class Metadata:
    """The entries of a file, which remembers those that were read.

    Keys without a known beginning (`general.`, `tokenizer.` ...) are the architecture's: `"block_count"` is
    `llama.block_count` in a file of the architecture llama.
    """

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.entries = entries
        self._read: set[str] = set()
        self.architecture = self.text("general.architecture")

    def full(self, key: str) -> str:
        """The key as it stands in the file."""
        known = key.startswith(("general.", "tokenizer.", "split."))
        return key if known else f"{self.architecture}.{key}"

    def whole(self, key: str, default: T = REQUIRED, *, least: int = 1) -> int | T:
        """A whole number; for keys of `PER_LAYER`, also one number that is listed for each layer."""
        value = self._value(key, default)
        if value is default:
            return default
        if isinstance(value, list) and key in PER_LAYER and len(value) == self.whole("block_count"):
            value = value[0] if all(each == value[0] for each in value) else value
        if type(value) is not int or not least <= value < 2**31:
            raise self.refusal(key, f"a whole number from {least} on")
        return value

    def number(self, key: str, default: T = REQUIRED) -> float | T:
        """A finite number."""
        value = self._value(key, default)
        if value is default:
            return default
        if type(value) is not float or not math.isfinite(value):
            raise self.refusal(key, "a finite number with a fraction, as llama.cpp has it")
        return value

    def positive(self, key: str, default: T = REQUIRED) -> float | T:
        """A finite number above zero."""
        value = self.number(key, default)
        if value is not default and cast(float, value) <= 0:
            raise self.refusal(key, "a number above zero")
        return value

    def flag(self, key: str, default: T = REQUIRED) -> bool | T:
        value = self._value(key, default)
        if value is not default and type(value) is not bool:
            raise self.refusal(key, "true or false")
        return value

    def text(self, key: str, default: T = REQUIRED) -> str | T:
        value = self._value(key, default)
        if value is not default and type(value) is not str:
            raise self.refusal(key, "a text")
        return value

    def items(self, key: str, kind: type, default: T = REQUIRED) -> list[Any] | T:
        """A list whose items all have this type."""
        value = self._value(key, default)
        if value is not default and not (
            isinstance(value, list) and all(type(each) is kind for each in value)
        ):
            raise self.refusal(key, f"a list of {kind.__name__}")
        return value

    def _value(self, key: str, default: Any) -> Any:
        full = self.full(key) if key != "general.architecture" else key
        self._read.add(full)
        value = self.entries.get(full, default)
        if value is REQUIRED:
            raise GgufError(f"its metadata has no {full}")
        return value

    def refusal(self, key: str, expected: str) -> GgufError:
        """A reason that names a key and its value."""
        return GgufError(f"{self.full(key)} is {shown(self.entries[self.full(key)])}, not {expected}")

    def refuse_unread(self) -> None:
        """Raise `GgufError` for an entry that nothing read and that may matter."""
        for key, value in self.entries.items():
            if key not in self._read and not self._harmless(key, value):
                raise GgufError(f"clew does not know what {key} = {shown(value)} means for this architecture")

    def _harmless(self, key: str, value: Any) -> bool:
        if key.startswith(HARMLESS_NAMESPACES):
            return True
        if key.startswith("general."):
            return _is_text(value) or key.removeprefix("general.").startswith(HARMLESS_GENERAL)
        name = key.removeprefix(f"{self.architecture}.")
        if name in HARMLESS:
            return True
        neutral = NEUTRAL.get(name, ())
        return any(type(value) is type(each) and value == each for each in neutral)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    )


def shown(value: Any) -> str:
    """A value for a message, cut short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
