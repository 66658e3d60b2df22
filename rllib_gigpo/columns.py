"""The names of all columns: what connectors read and write, in the order of a token's way.

Columns of the rollout are lists with one item per waiting episode. Columns of the credit pipeline
are arrays with one row per step (turn) of the whole batch, R rows in all.
"""

# Rollout, env-to-module: one item per episode that waits for an answer.
OBSERVATION_TEXT = "observation_text"  # str
HISTORY = "history"  # list[PastStep]
PROMPTS = "prompts"  # prompting.renderer.Prompt: token ids, text, what was cut

# Rollout, module-to-env: one item per answer of the engine.
GENERATIONS = "generations"  # engines.base.Generation: token ids, log-probs, weight version
RESPONSE_TEXT = "response_text"  # str
PARSED_ACTIONS = "parsed_actions"  # prompting.action_parser.ParsedAction
ENV_ACTIONS = "env_actions"  # what the environment's step() gets, or SKIP_STEP

# An episode's extra model outputs: one item per step.
STEP_RECORD = "step_record"  # batch.step_record.StepRecord

# An episode's custom data.
TASK = "task_seed"
GROUP_ID = "group_id"
MEMBER = "member"

# Credit: one row per step of the batch.
GROUP_IDS = "group_ids"  # (R,) int64, the task group of the row
TAG_IDS = "tag_ids"  # (R,) int64, equal for rows of tasks with the same info["tags"]
TRAJECTORY_IDS = "trajectory_ids"  # (R,) int64, unique over the batch
STEP_IDS = "step_ids"  # (R,) int64, from 0 in each trajectory
REWARDS = "rewards"  # (R,) float64, the environment's
KL_PENALTIES = "kl_penalties"  # (R,) float64, taken from REWARDS, with the KL in the reward only
PENALTIES = "penalties"  # (R,) float64 >= 0, for invalid and over-long answers
ROW_PENALTIES = "row_penalties"  # (R,) float64, those that a rule takes off its row; else 0
ANCHORS = "anchors"  # list of R hashables
RESPONSE_LENGTHS = "response_lengths"  # (R,) int64, tokens
EPISODE_RETURNS = "episode_returns"  # (R,) float64, R(tau) of the row's trajectory
STEP_RETURNS = "step_returns"  # (R,) float64, R_{i,t}
ANCHOR_GROUP_IDS = "anchor_group_ids"  # (R,) int64
EPISODE_ADVANTAGES = "episode_advantages"  # (R,) float64, A^E
STEP_ADVANTAGES = "step_advantages"  # (R,) float64, A^S
VALUES = "values"  # (R,) float64, the critic's, of the state before the step; with a critic only
BOOTSTRAP_VALUES = "bootstrap_values"  # (R,) float64, of the state after a truncated episode or 0
VALUE_TARGETS = "value_targets"  # (R,) float64, what the critic should have said
ADVANTAGES = "advantages"  # (S,) float64, A of each response token of the batch
ROW_WEIGHTS = "row_weights"  # (R,) float64, in the loss; 1 each where it is absent
TOKEN_ROWS = "token_rows"  # credit.token_rows.TokenRows
CREDIT_METRICS = "credit_metrics"  # dict[str, float]
