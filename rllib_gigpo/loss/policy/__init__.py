"""Policy losses by name: one small file and one entry of `POLICY_LOSSES` each."""

from rllib_gigpo.loss.policy.base import ClippedLoss, FunctionLoss, PolicyLoss
from rllib_gigpo.loss.policy.cispo import CISPOLoss
from rllib_gigpo.loss.policy.gspo import GSPOLoss
from rllib_gigpo.loss.policy.ppo import PPOLoss
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
