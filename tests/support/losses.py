"""Settings of the default loss and others, which together cover every branch."""

GSPO = {
    "policy_loss": "gspo",
    "loss_aggregation": "seq_mean_token_mean",
    "old_logp": "recompute",
    "importance_sampling": "sequence",
}
CISPO = {
    "policy_loss": "cispo",
    "loss_aggregation": "seq_mean_token_sum",
    "kl": {"estimator": "k2"},
}
CLIP_HIGHER = {
    "clip_param": 0.02,
    "policy_loss": {"name": "ppo", "clip_param_high": 0.05},
    "loss_aggregation": {"name": "seq_sum_norm", "constant": 5.0},
    "old_logp": "recompute",
    "importance_sampling": {"level": "token", "cap": 1.02},
    "kl": {"estimator": "abs"},
}
LOSSES = {"ppo": {}, "gspo": GSPO, "cispo": CISPO, "clip_higher": CLIP_HIGHER}
