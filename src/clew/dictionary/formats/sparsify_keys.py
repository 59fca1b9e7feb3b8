"""The keys of sparsify's files: cfg.json of a hookpoint, and config.json of the run that trained it.

https://github.com/EleutherAI/sparsify, and https://github.com/EleutherAI/clt-training for cross-layer coders.
"""

from __future__ import annotations

from collections.abc import Sequence

from clew.dictionary.formats.config_keys import (
    COUNT,
    FLAG,
    INDEX,
    WORD,
    ConfigKeys,
    either,
    list_of,
    one_of,
    shown,
)
from clew.dictionary.formats.file_settings import FileSettings
from clew.dictionary.formats.hook_names import layer_of_hook
from clew.errors import ClewError

TRAINING = """
attn_implementation auxk_alpha b1 b2 batch_size cross_layer cross_layer_step ctx_len data_args
data_preprocessing_num_proc dataset dead_feature_threshold dead_latent_penalty distribute_layers
distribute_modules eval_every_n_wandb_logs exclude_tokens feature_link_batch feature_link_l1 filter_bos
finetune force_lr_warmup grad_acc_steps grad_scaler hf_token init_seeds k_anneal_mul k_decay_steps
kl_coeff layer_stride layers load_in_8bit log_to_wandb loss_fn lr lr_warm_up_steps lr_warmup_steps
max_examples micro_acc_steps optimizer remove_first_token remove_transcoded_modules restart_epoch resume
return_overflowed_tokens run_name save_best save_dir save_every seed shuffle_seed split text_column tp
wandb_entity wandb_id wandb_log_frequency"""

KEYS = ConfigKeys(
    used={
        "activation": one_of("topk", "groupmax", "batchtopk"),
        "transcode": FLAG,
        "skip_connection": FLAG,
        "k": COUNT,
        "d_in": COUNT,
        "num_latents": INDEX,
        "expansion_factor": COUNT,
        "n_targets": INDEX,
        "normalize_io": FLAG,
        "divide_cross_layer": FLAG,
    },
    only={
        "signed": (False,),
        "coalesce_topk": ("none",),
        "topk_coalesced": (False,),
        "per_source_tied": (False,),
        "secondary_target_tied": (False,),
        "embed_skip": (False,),
        "gram_lookup": (False,),
    },
    harmless={
        "training; the weights are saved as they are used": "normalize_decoder multi_topk train_post_encoder",
        "arrays whose values are checked": "post_encoder_scale",
        "memory and machines": "dtype use_fp8 tp_output",
        "counted from the files": "n_sources",
    },
)
RUN_KEYS = ConfigKeys(
    used={
        "model": WORD,
        "transcode": FLAG,
        "hookpoints": list_of(WORD, "a list of modules"),
        "hookpoints_in": either(list_of(WORD, "a list of modules"), WORD),
        "revision": WORD,
    },
    harmless={
        "training, and the texts of it": TRAINING,
        "what each hookpoint's cfg.json says again": "sae per_layer_k",
    },
)


def check_layers_of_run(run: FileSettings, layers: Sequence[int]) -> None:
    """Raise `ClewError` for layers that a run did not train, or whose coders read in another layer."""
    at, read_at = (run.get(key) or [] for key in ("hookpoints", "hookpoints_in"))
    if isinstance(read_at, str) or any("*" in module for module in at):
        return
    trained = [layer_of_hook(module) for module in at] or sorted(layers)
    if missing := [layer for layer in layers if layer not in trained]:
        raise ClewError(
            f"{run.path} says hookpoints: {shown(at)}, which is not layer {missing[0]}; fetch both from the "
            "same run."
        )
    reads = [layer_of_hook(module) for module in read_at]
    for writes_at, reads_at in zip(trained, reads if len(reads) == len(trained) else (), strict=False):
        if reads_at not in (None, writes_at):
            raise ClewError(
                f"{run.path} says hookpoints_in: {shown(read_at)}, so the coder of layer {writes_at} reads "
                f"in layer {reads_at}, which clew does not support; name a set that reads where it writes."
            )


def is_old_transcoder(settings: FileSettings, run: FileSettings | None) -> bool:
    """True for a transcoder of before February 2025, which takes b_dec off the input; False for a newer one.

    Old files say `transcode` in the run's config.json alone, and no `activation`, which is a TopK. Without
    the run a skip connection shows a transcoder: an autoencoder with one would only copy. Raises `ClewError`
    for an autoencoder, and for an activation other than a TopK.
    """
    path, transcode, activation = settings.path, settings.get("transcode"), settings.get("activation")
    if activation not in (None, "", "topk"):
        raise ClewError(
            f"{path} says activation: {activation} and not topk: clew cannot represent it exactly; name "
            "transcoders with a TopK."
        )
    in_run = run.get("transcode") if run else None
    if transcode is not None:
        if run and in_run not in (None, transcode):
            raise ClewError(
                f"{path} says transcode: {transcode}, but {run.path} says transcode: {in_run}; fetch both "
                "from the same run."
            )
        if transcode:
            return False
        raise ClewError(
            f"{path} says transcode: {transcode} and not True: it is an autoencoder, which reconstructs what "
            "it reads; name transcoders with a TopK."
        )
    if activation:
        raise ClewError(
            f"{path} says activation: {activation}, as sparsify does since February 2025, but not transcode; "
            "add transcode: true for a transcoder, or name another set for an autoencoder."
        )
    if in_run or (in_run is None and settings.get("skip_connection")):
        return True
    if run and in_run is False:
        raise ClewError(
            f"{run.path} says transcode: {in_run}: its coders are autoencoders, which reconstruct what they "
            "read; name transcoders."
        )
    raise ClewError(
        f"{path} says neither transcode nor skip_connection: true. So sparsify wrote autoencoders until "
        "February 2025, which reconstruct what they read; name transcoders. If it is one of that time, name "
        "the folder of its run, with the config.json that says transcode: true."
    )
