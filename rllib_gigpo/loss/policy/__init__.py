"""Policy losses by name; each is one small file and one entry of `POLICY_LOSSES`."""

from rllib_gigpo.loss.policy.cispo_loss import CISPOLoss
from rllib_gigpo.loss.policy.gspo_loss import GSPOLoss
from rllib_gigpo.loss.policy.policy_loss import ClippedLoss, FunctionLoss, PolicyLoss
from rllib_gigpo.loss.policy.ppo_loss import PPOLoss
from rllib_gigpo.options.registry import Registry

__all__ = [
    "POLICY_LOSSES",
    "CISPOLoss",
    "ClippedLoss",
    "FunctionLoss",
    "GSPOLoss",
    "PPOLoss",
    "PolicyLoss",
]

POLICY_LOSSES: Registry[PolicyLoss] = Registry(
    "policy_loss",
    PolicyLoss,
    (PPOLoss, GSPOLoss, CISPOLoss),
    given=("clip_param",),
    wrap=FunctionLoss,
)
