"""Losses other than the default, with what surrounds them: together they take every branch."""

GSPO = {
    "policy_loss": "gspo",
    "dual_clip": None,
    "loss_aggregation": "seq_mean_token_mean",
    "old_logp": "recompute",
    "importance_sampling": "sequence",
}
CISPO = {
    "policy_loss": "cispo",
    "dual_clip": None,
    "loss_aggregation": "seq_mean_token_sum",
    "kl_estimator": "k2",
}
CLIP_HIGHER = {
    "clip_param": 0.02,
    "clip_param_high": 0.05,
    "loss_aggregation": "seq_sum_norm",
    "loss_constant": 5.0,
    "old_logp": "recompute",
    "importance_sampling": "token",
    "importance_cap": 1.02,
    "kl_estimator": "abs",
}
LOSSES = {"ppo": {}, "gspo": GSPO, "cispo": CISPO, "clip_higher": CLIP_HIGHER}
