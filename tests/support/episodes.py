"""Step records and episodes written by hand, as credit assignment receives them."""

import numpy as np
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import StepRecord


def step_record(*, num_tokens=1, **changes):
    """Make a step: the prompt is tokens 1, 2, and the valid response is tokens 10, 11, ..."""
    fields = {
        "prompt_token_ids": [1, 2],
        "prompt_text": "what now?",
        "is_prompt_cut": False,
        "response_token_ids": list(range(10, 10 + num_tokens)),
        "rollout_logp": np.full(num_tokens, -1.0, dtype=np.float32),
        "token_versions": np.zeros(num_tokens, dtype=np.int64),
        "finish_reason": "stop",
        "response_text": "go",
        "action_text": "go",
        "is_format_valid": True,
        "is_admissible": True,
        "reward": 0.0,
        "anchor": "start",
    }
    return StepRecord(**{**fields, **changes})


def episode_of(records, *, group_id=0, first_info=None):
    """Make an episode of these steps; only the info of the reset has tags, those of the task."""
    result = SingleAgentEpisode()
    result.custom_data[columns.GROUP_ID] = group_id
    result.add_env_reset("start", first_info or {})
    for number, record in enumerate(records, start=1):
        result.add_env_step(
            observation="next",
            action=record.action_text,
            reward=record.reward,
            infos={},
            terminated=number == len(records),
            extra_model_outputs={columns.STEP_RECORD: record},
        )
    return result


def role_episode(turns, *, group_id=0, last_info=None):
    """Make an episode of several roles.

    Args:
        turns: (role, reward) or (role, reward, changes) of each step; of the changes,
            "role_rewards" is what the step pays to roles, and the others are the record's.
        group_id: Its group.
        last_info: More keys of the last info.
    """
    result = SingleAgentEpisode()
    result.custom_data[columns.GROUP_ID] = group_id
    result.add_env_reset("start", {"role": turns[0][0]})
    for number, (role, reward, *more) in enumerate(turns, start=1):
        changes = dict(more[0]) if more else {}
        paid = {"role_rewards": changes.pop("role_rewards")} if "role_rewards" in changes else {}
        is_last = number == len(turns)
        following = last_info or {} if is_last else {"role": turns[number][0]}
        result.add_env_step(
            observation=f"{role} acted",
            action="go",
            reward=reward,
            infos={**following, **paid},
            terminated=is_last,
            extra_model_outputs={
                columns.STEP_RECORD: step_record(role=role, reward=reward, **changes)
            },
        )
    return result
