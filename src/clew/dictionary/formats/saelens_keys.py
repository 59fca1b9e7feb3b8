"""The keys of SAELens's cfg.json, of its versions 2 to 6, and the architectures of transcoders."""

from __future__ import annotations

from typing import Any

from clew.dictionary.formats.config_keys import (
    COUNT,
    FLAG,
    INDEX,
    POSITIVE,
    WORD,
    ConfigKeys,
    either,
    one_of,
    shown,
)
from clew.dictionary.formats.file_settings import FileSettings
from clew.errors import ClewError

READ_HOOKS = ("hf_hook_name", "hook_name", "hook_point")
"""Keys of the read point. A Hugging Face module is unambiguous, so it decides where there is one."""
WRITE_HOOKS = ("hf_hook_name_out", "hook_name_out", "out_hook_point")
HOOK_LAYERS = ("hook_layer", "hook_layer_out", "hook_point_layer", "out_hook_point_layer")
TRAINING = """
act_store_device adam_beta1 adam_beta2 autocast autocast_lm aux_loss_coefficient b_dec_init_method
cached_activations_path checkpoint_path compile_llm compile_sae context_size dataset_path
dataset_trust_remote_code dead_feature_threshold dead_feature_window decoder_heuristic_init
decoder_heuristic_init_norm decoder_init_norm decoder_orthogonal_init disable_concat_sequences
eval_batch_size_prompts eval_every_n_wandb_logs exclude_special_tokens expansion_factor
feature_sampling_window finetuning_method finetuning_tokens from_pretrained_path hook_eval hook_point_eval
init_encoder_as_decoder_transpose is_dataset_tokenized jumprelu_bandwidth jumprelu_init_threshold
jumprelu_sparsity_loss_mode jumprelu_tanh_scale l0_coefficient l0_warm_up_steps l1_coefficient
l1_warm_up_steps llm_compilation_mode log_activations_store_to_wandb log_optimizer_state_to_wandb
log_to_wandb logger lp_norm lr lr_decay_steps lr_end lr_scheduler_name lr_warm_up_steps mse_loss_normalization
n_batches_in_buffer n_batches_for_norm_estimate n_checkpoints n_eval_batches n_eval_seqs n_restart_cycles
noise_scale normalize_sae_decoder output_path pre_act_loss_coefficient resume resume_from_checkpoint run_name
sae_compilation_mode save_final_checkpoint scale_sparsity_penalty_by_decoder_norm seed seqpos_slice
sequence_separator_token store_batch_size store_batch_size_prompts streaming topk_threshold_lr
total_training_tokens train_batch_size train_batch_size_tokens training_tokens use_cached_activations
use_ghost_grads use_sparse_activations verbose wandb_entity wandb_id wandb_log_frequency wandb_project"""

FOLDS = ("fold_ln", "center_writing_weights", "fold_value_biases", "refactor_factored_attn_matrices")
"""Changes of TransformerLens to a model's weights, and so to what features read and write."""

_MODEL: dict[str, Any] = {
    **dict.fromkeys((*READ_HOOKS, *WRITE_HOOKS, "model_name", "sae_lens_version"), WORD),
    **dict.fromkeys(HOOK_LAYERS, INDEX),
    "prepend_bos": FLAG,
}
_HEADS: dict[str, tuple[Any, ...]] = dict.fromkeys(
    ("hook_head_index", "hook_head_index_out", "hook_point_head_index"), (None,)
)
_FOLDS = ConfigKeys(
    used={},
    only=dict.fromkeys(
        ("fold_ln", "center_writing_weights", "fold_value_biases", "refactor_factored_attn_matrices"),
        (False,),
    ),
    harmless={
        "how the model was fetched and held": "center_unembed device device_map dtype n_devices revision "
        "token torch_dtype trust_remote_code low_cpu_mem_usage attn_implementation default_prepend_bos"
    },
)
_HARMLESS = {
    "training, and the texts of it": TRAINING,
    "who made it, and where it is": "neuronpedia_id sae_lens_training_version model_class_name",
}
METADATA = ConfigKeys(
    used=_MODEL,
    only=_HEADS | {"model_kwargs": ({},)},
    harmless=_HARMLESS,
    nested={"model_from_pretrained_kwargs": _FOLDS},
)
KEYS = ConfigKeys(
    used={
        **_MODEL,
        "architecture": WORD,
        "d_in": COUNT,
        "d_out": COUNT,
        "d_sae": COUNT,
        "apply_b_dec_to_input": FLAG,
        "finetuning_scaling_factor": FLAG,
        "normalize_activations": either(
            one_of("none", "expected_average_only_in", "constant_scalar_rescale"), FLAG
        ),
        "activation_normalization_factor": POSITIVE,
    },
    only={
        **_HEADS,
        "model_kwargs": ({},),
        "reshape_activations": ("none",),
        "activation_fn_str": ("relu",),
        "activation_fn": ("relu",),
        "activation_fn_kwargs": ({},),
        "k": (),
        "rescale_acts_by_decoder_norm": (False,),
    },
    harmless={**_HARMLESS, "how SAELens holds and runs it": "dtype device use_error_term"},
    nested={"model_from_pretrained_kwargs": _FOLDS, "metadata": METADATA},
)


ARCHITECTURES = {
    "transcoder": (),
    "skip_transcoder": ("W_skip",),
    "jumprelu_transcoder": ("threshold",),
    "jumprelu_skip_transcoder": ("threshold", "W_skip"),
}
"""Architectures, with the arrays that each has besides the usual ones."""
AUTOENCODERS = ("standard", "jumprelu", "topk", "gated", "batchtopk", "matryoshka_batchtopk", "temporal")


def read_saelens_settings(settings: FileSettings) -> FileSettings:
    """The settings of a cfg.json, with those under `metadata` among them.

    Raises `ClewError` for an autoencoder, an unknown architecture, a key that is neither used nor known to be
    harmless, and a value that cannot be represented exactly.
    """
    merged = _with_metadata(settings)
    if merged.get("architecture") is not None:
        _refuse_other_architectures(merged)
    _refuse_input_norms(settings)
    settings.check(KEYS)
    merged.require(
        "architecture", f"write which transcoder it is ({', '.join(ARCHITECTURES)}), or name another"
    )
    return merged


def _with_metadata(settings: FileSettings) -> FileSettings:
    metadata = settings.get("metadata", {})
    if not isinstance(metadata, dict):
        return settings  # which the check of its keys refuses
    stated = {key: value for key, value in metadata.items() if value is not None}
    for key, value in stated.items():
        if settings.get(key, value) != value:
            raise ClewError(
                f"{settings.path} says {key}: {shown(settings.get(key))} and, under metadata, "
                f"{shown(value)}; delete one of the two."
            )
    return FileSettings(settings.path, {**settings.values, **stated})


def _refuse_other_architectures(settings: FileSettings) -> None:
    name = settings.get("architecture")
    transcoders = ", ".join(ARCHITECTURES)
    if name not in (*ARCHITECTURES, *AUTOENCODERS):
        raise ClewError(
            f"{settings.path} says architecture: {shown(name)}, but clew supports {transcoders}; name "
            "transcoders with one of these."
        )
    if name in ARCHITECTURES:
        return
    advice = "Name transcoders."
    if writes := settings.text(*WRITE_HOOKS):
        advice = f"If it does predict {writes}, write into the file which transcoder it is."
    raise ClewError(
        f"{settings.path} says architecture: {name}, but clew needs transcoders ({transcoders}): this is an "
        f"autoencoder in SAELens, which reconstructs what it reads and replaces no MLP. {advice}"
    )


def _refuse_input_norms(settings: FileSettings) -> None:
    stated = settings.get("normalize_activations")
    if stated in ("layer_norm", "constant_norm_rescale"):
        raise ClewError(
            f"{settings.path} says normalize_activations: {stated}: every input is divided by a norm of its "
            "own before the encoder, so that a feature has no fixed direction, which clew cannot represent "
            "exactly; name transcoders without it."
        )
