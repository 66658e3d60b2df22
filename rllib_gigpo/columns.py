"""Names of the columns that connectors read and write, in the order of the data flow.

A rollout column is a list with one item per episode that waits for an answer. A credit column is
an array with one row per step (turn) of the whole batch, R rows in all.
"""

# Rollout, env-to-module: one item per episode that waits for an answer.
OBSERVATION_TEXT = "observation_text"  # str
OBSERVATION_FAULTS = "observation_faults"  # shared data: id of an episode -> what is wrong
HISTORY = "history"  # list[PastStep]
PROMPTS = "prompts"  # prompting.prompt_record.Prompt: token ids, text, what was left out

# Rollout, module-to-env: one item per answer of the engine.
GENERATIONS = "generations"  # inference_engine.Generation: token ids, log-probs, weight version
RESPONSE_TEXT = "response_text"  # str
PARSED_ACTIONS = "parsed_actions"  # prompting.action_parser.ParsedAction
SUB_GOALS = "sub_goals"  # batch.sub_goal_step.SubGoalStep; only in runs with sub-goals
ENV_ACTIONS = "env_actions"  # the argument of the environment's step(), or SKIP_STEP

# An episode's extra model outputs: one item per step.
STEP_RECORD = "step_record"  # batch.step_record.StepRecord

# An episode's custom data.
TASK = "task_seed"
GROUP_ID = "group_id"
MEMBER = "member"
FORK = "fork"  # (member, step): the episode that a fork leaves, and where; forks only
TREE = "tree"  # the member that the episode descends from, fork after fork; or itself

# Credit: one row per step of the batch.
# With several roles, the four labels are those of a role: see SplitRoles.
GROUP_IDS = "group_ids"  # (R,) int64, the row's task group
TAG_IDS = "tag_ids"  # (R,) int64, equal for rows whose tasks have the same info["tags"]
TRAJECTORY_IDS = "trajectory_ids"  # (R,) int64, unique within the batch
STEP_IDS = "step_ids"  # (R,) int64, from 0 in each trajectory
TREE_IDS = "tree_ids"  # (R,) int64, equal for trajectories that fork off each other
IS_REPLAYED = "is_replayed"  # (R,) bool, whether a fork repeated the row; only with forks
ROLES = "roles"  # list of R str, who acted; only in batches with roles
REWARDS = "rewards"  # (R,) float64, the environment's; connectors change them before returns
KL_PENALTIES = "kl_penalties"  # (R,) float64, subtracted from REWARDS; only with KL in the reward
PENALTIES = "penalties"  # (R,) float64 >= 0, for invalid and overlong answers
ROW_PENALTIES = "row_penalties"  # (R,) float64, the part that the rule subtracts itself, or 0
ANCHORS = "anchors"  # list of R hashable states
ACTION_IDS = "action_ids"  # (R,) int64, equal for rows whose actions are the same text
WON = "won"  # (R,) bool, whether the row's episode succeeded
RESPONSE_LENGTHS = "response_lengths"  # (R,) int64, tokens
SEGMENT_STARTS = "segment_starts"  # (R,) bool, whether a sub-goal starts; sub-goals only
TOKEN_LEVELS = "token_levels"  # (S,) int8, batch.sub_goal_step.TokenLevel; sub-goals only
EPISODE_RETURNS = "episode_returns"  # (R,) float64, R(tau) of the row's trajectory
STEP_RETURNS = "step_returns"  # (R,) float64, R_{i,t}
ANCHOR_GROUP_IDS = "anchor_group_ids"  # (R,) int64
NEXT_ANCHOR_GROUP_IDS = "next_anchor_group_ids"  # (R,) int64, the next step's; -1 after the last
EPISODE_ADVANTAGES = "episode_advantages"  # (R,) float64, A^E
STEP_ADVANTAGES = "step_advantages"  # (R,) float64, A^S
VALUES = "values"  # (R,) float64, the critic's value of the state before the step; critic only
BOOTSTRAP_VALUES = "bootstrap_values"  # (R,) float64, of the state after a truncated episode, or 0
IMPLICIT_REWARDS = "implicit_rewards"  # (R,) float64, of the process reward model; with one only
PAIR_GRADIENTS = "pair_gradients"  # (R,) float64, dL/d(sum of log pi_PRM) of the model's pair loss
VALUE_TARGETS = "value_targets"  # (R,) float64, the targets of the critic's values
ADVANTAGES = "advantages"  # (S,) float64, A of each response token of the batch
ROW_WEIGHTS = "row_weights"  # (R,) float64, weights in the loss; all 1 if the column is absent
TOKEN_ROWS = "token_rows"  # batch.token_rows.TokenRows
CREDIT_METRICS = "credit_metrics"  # dict[str, float]
