"""Two iterations end to end: ratio 1, advantages, versions, evaluation, metrics, transcripts."""

import gzip
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.engines.vllm import vllm_engine
from rllib_gigpo.learner.checkpoint_model import model_folder
from rllib_gigpo.reports.results import summarize


@pytest.fixture(scope="module")
def run(ray_session, corridor_config, tmp_path_factory):
    """Train two iterations with evaluation: (algorithm, results, started engines)."""
    starts = []
    original = vllm_engine.VllmEngine.start

    def counted(self):
        starts.append(self)
        original(self)

    config = corridor_config(penalties={"format": 0.1, "admissible": 0.1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vllm_engine.VllmEngine, "start", counted)
        algorithm = config.evaluation(evaluation_interval=2).build_algo()
        results = [algorithm.train() for _ in range(2)]
        yield algorithm, results, starts
    algorithm.stop()


def test_the_ratio_on_fresh_data_is_one_in_every_iteration(run):
    _, results, _ = run
    for result in results:
        metrics = result["learners"]["default_policy"]
        assert metrics["max_ratio_deviation_fresh"] < 1e-4
        assert metrics["max_ratio_deviation"] > metrics["max_ratio_deviation_fresh"]


def test_a_batch_is_whole_groups_of_whole_episodes(run):
    algorithm, _, _ = run
    for batch in algorithm.batches:
        members = defaultdict(list)
        for episode in batch["episodes"]:
            assert episode.is_done
            members[episode.custom_data[columns.GROUP_ID]].append(episode)
        assert [len(episodes) for episodes in members.values()] == [4, 4]
        for episodes in members.values():
            assert len({episode.get_observations(0) for episode in episodes}) == 1


def test_every_token_keeps_the_version_of_the_weights_that_made_it(run):
    algorithm, _, _ = run
    for version, batch in enumerate(algorithm.batches):
        for record in step_records(batch["episodes"]):
            assert set(record.token_versions) == {version}


def test_advantages_are_those_of_a_slow_reading_of_the_definition(run):
    algorithm, _, _ = run
    config = algorithm.config
    for batch in algorithm.batches:
        rows = slow_rows(batch["episodes"], config)
        expected = slow_gigpo(rows)
        token_rows = batch[columns.TOKEN_ROWS]
        per_token = np.repeat(expected, token_rows.response_lengths)
        np.testing.assert_allclose(batch[columns.ADVANTAGES], per_token, atol=1e-12)
        np.testing.assert_allclose(token_rows.advantages, per_token, rtol=1e-6)


def slow_rows(episodes, config):
    """Compute (group, anchor, episode id, episode return, step return) per step, in plain loops."""
    rows = []
    for episode in episodes:
        rewards = [float(reward) for reward in episode.get_rewards()]
        penalised = [
            reward - (0.0 if record.is_format_valid and record.is_admissible else 0.1)
            for reward, record in zip(rewards, step_records([episode]), strict=True)
        ]
        for step in range(len(episode)):
            step_return = sum(
                config.gamma ** (later - step) * penalised[later]
                for later in range(step, len(episode))
            )
            anchor = episode.get_infos(step)["anchor"]
            group = episode.custom_data[columns.GROUP_ID]
            rows.append((group, anchor, episode.id_, sum(rewards), step_return))
    return rows


def slow_gigpo(rows):
    """Compute Eq. 3, 7 and 8 with F = 1 and both weights 1."""
    advantages = []
    for group, anchor, _, episode_return, step_return in rows:
        returns = {row[2]: row[3] for row in rows if row[0] == group}
        same_state = [row[4] for row in rows if row[:2] == (group, anchor)]
        advantages.append(
            episode_return
            - sum(returns.values()) / len(returns)
            + step_return
            - sum(same_state) / len(same_state)
        )
    return np.array(advantages)


def test_token_rows_hold_the_engines_ids_and_logprobs_untouched(run):
    algorithm, _, _ = run
    batch = algorithm.batches[-1]
    rows = batch[columns.TOKEN_ROWS]
    ids, logp = [], []
    for record in step_records(batch["episodes"]):
        ids += [*record.prompt_token_ids, *record.response_token_ids]
        logp += list(record.rollout_logp)
    assert rows.token_ids.tolist() == ids
    np.testing.assert_array_equal(rows.rollout_logp, np.array(logp, np.float32))


def test_evaluation_uses_the_training_engine_and_the_test_tasks(run):
    algorithm, results, starts = run
    assert len(starts) == 1
    evaluation = results[1]["evaluation"]["env_runners"]
    assert evaluation["num_episodes"] == 4
    low, high = evaluation["success_ci_low"], evaluation["success_ci_high"]
    assert low <= evaluation["success_rate"] <= high
    assert evaluation["tags"]["corridor"]["num_episodes"] == 4
    trained = {
        e.custom_data[columns.TASK] for batch in algorithm.batches for e in batch["episodes"]
    }
    assert trained <= set(range(8))
    assert algorithm.config.first_test_task not in trained


def test_weights_change_and_reach_the_engine(run):
    algorithm, results, _ = run
    assert results[-1]["policy_version"] == 2
    engine = algorithm.env_runner.module.engine
    assert engine.weight_version == 2


def test_the_result_holds_every_metric_that_the_display_reads(run):
    _, results, _ = run
    summary = summarize(results[1])
    missing = [name for name in summary.__slots__ if getattr(summary, name) in (None, ())]
    # Tune adds one; no group was lost; engine and Learner compute alike.
    assert set(missing) <= {"time_total_s", "groups_lost", "importance_capped_share"}


def test_transcripts_show_what_happened_and_what_it_was_worth(run):
    algorithm, _, _ = run
    files = sorted(Path(algorithm.logdir, "transcripts").iterdir())
    assert [file.name for file in files] == [
        "iteration_000001.jsonl.gz",
        "iteration_000002.jsonl.gz",
    ]
    with gzip.open(files[0], "rt") as file:
        lines = [json.loads(line) for line in file]
    assert {line["group_id"] for line in lines} == {0}
    assert {line["member"] for line in lines} == {0, 1, 2, 3}
    line = lines[0]
    assert set(line) == {
        *("task_seed", "group_id", "member", "step", "prompt", "prompt_token_ids", "prompt_cut"),
        *("response", "response_token_ids", "rollout_logp", "finish_reason", "weight_version"),
        *("action", "is_format_valid", "is_admissible", "is_last", "is_terminated", "rewards"),
        *("penalties", "episode_returns", "step_returns", "episode_advantages"),
        *("step_advantages", "advantages", "anchor", "anchor_group", "anchor_group_size"),
        *("is_won", "tags", "response_tokens", "env_reward"),
    }
    assert line["weight_version"] == 0
    assert len(line["rollout_logp"]) == len(line["response_token_ids"])
    assert "".join(line["response_tokens"]).startswith(line["response"])
    assert line["anchor"] in line["prompt"]
    size = sum(other["anchor"] == line["anchor"] for other in lines)
    assert line["anchor_group_size"] == size
    total = line["episode_advantages"] + line["step_advantages"]
    assert line["advantages"] == pytest.approx(total)


def test_the_checkpoint_is_a_plain_hugging_face_folder(run, tmp_path):
    algorithm, _, _ = run
    algorithm.save_to_path(str(tmp_path))
    folder = model_folder(tmp_path)
    assert (folder / "model.safetensors").is_file()
    assert (folder / "tokenizer.json").is_file()
    saved = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    for name, tensor in algorithm.learner_group._learner.export_weights():
        assert torch.equal(saved[name], tensor), name
