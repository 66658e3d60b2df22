"""Every setting of RLlib's AlgorithmConfig: it acts here, has a fixed value, or is refused.

Each setting is in exactly one of these tables, under the name of its attribute. A test compares
them with the installed Ray, so that a new version of Ray names its new settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Settings that do here what they do in RLlib.
ACTING = _names(
    """
    algo_class env env_config seed placement_strategy learner_config_dict stats_cls_lookup
    num_cpus_for_main_process custom_resources_for_main_process local_gpu_idx
    log_level log_sys_usage _validate_config

    env_runner_cls num_env_runners num_cpus_per_env_runner num_gpus_per_env_runner
    custom_resources_per_env_runner sample_timeout_s validate_env_runners_after_construction
    restart_failed_env_runners ignore_env_runner_failures max_num_env_runner_restarts
    delay_between_env_runner_restarts_s env_runner_health_probe_timeout_s
    env_runner_restore_timeout_s

    num_learners num_cpus_per_learner num_gpus_per_learner custom_resources_per_learner
    torch_ddp_kwargs _learner_class _rl_module_spec gamma lr grad_clip num_epochs
    _env_to_module_connector _module_to_env_connector _learner_connector

    evaluation_interval evaluation_config custom_evaluation_function

    callbacks_class callbacks_on_algorithm_init callbacks_on_train_result
    callbacks_on_checkpoint_loaded callbacks_on_env_runners_recreated
    callbacks_on_environment_created callbacks_on_episode_created callbacks_on_episode_start
    callbacks_on_episode_step callbacks_on_episode_end callbacks_on_sample_end
    callbacks_on_evaluate_start callbacks_on_evaluate_end
    """
)

# Settings with a default of ours.
DEFAULTS: Mapping[str, Any] = {
    # With RLlib's 60 s, a slow rollout returns an empty batch (Ray 2.60).
    "sample_timeout_s": 3600.0,
    # RLlib pings dead EnvRunners and waits for all of them while the others have nothing to do.
    "env_runner_health_probe_timeout_s": 1.0,
}

# Settings with one value in every run, and why.
FIXED: Mapping[str, tuple[Any, str]] = {
    "framework_str": ("torch", "the models are PyTorch models"),
    "enable_rl_module_and_learner": (True, "there is only the new API stack"),
    "enable_env_runner_and_connector_v2": (True, "there is only the new API stack"),
    "batch_mode": ("complete_episodes", "credit needs whole episodes"),
    "episodes_to_numpy": (False, "episodes hold texts and records of steps"),
    "add_default_connectors_to_env_to_module_pipeline": (False, "RLlib's are for tensors"),
    "add_default_connectors_to_module_to_env_pipeline": (False, "RLlib's are for tensors"),
    "add_default_connectors_to_learner_pipeline": (False, "RLlib's are for tensors"),
    "_dont_auto_sync_env_runner_states": (True, "each EnvRunner keeps its connectors' states"),
    "disable_env_checking": (True, "every response is checked; see `rllib check-env`"),
}

# Settings that RLlib or `GiGPOConfig.validate` computes.
COMPUTED = _names(
    """
    create_local_env_runner in_evaluation simple_optimizer _is_atari _is_frozen _is_online
    _prior_exploration_config _per_module_overrides
    """
)

_EPISODES = "a batch is num_groups x group_size episodes"
_ONE_BATCH = "an iteration is one batch; set num_groups for larger ones"
_TEST_TASKS = "evaluation plays each test task once; set tasks(num_test_tasks=...)"
_SHARED = "evaluation runs on the training EnvRunners and their engines"
_SPACES = "spaces are read from the environment"
_LOST_GROUPS = "set env_runners(max_lost_group_rate=...)"
_WHOLE = "whole episodes are sampled; see max_episode_steps"

# Settings that something else replaces, and what.
REPLACED: Mapping[str, str] = {
    "train_batch_size": _EPISODES,
    "_train_batch_size_per_learner": _EPISODES,
    "minibatch_size": "set num_minibatches, the optimiser steps per epoch",
    "shuffle_batch_per_epoch": "mini-batches are always shuffled, by trajectory",
    "min_time_s_per_iteration": _ONE_BATCH,
    "min_train_timesteps_per_iteration": _ONE_BATCH,
    "min_sample_timesteps_per_iteration": _ONE_BATCH,
    "rollout_fragment_length": _WHOLE,
    "episode_lookback_horizon": _WHOLE,
    "num_envs_per_env_runner": "each episode has its environment; see max_concurrent_episodes",
    "gym_env_vectorize_mode": "set num_env_threads or num_env_workers",
    "remote_worker_envs": "set num_env_workers",
    "remote_env_batch_wait_ms": "set num_env_workers",
    "explore": "set inference(eval_sampling=...); training samples from the model itself",
    "exploration_config": "training samples from the model itself",
    "evaluation_duration": "set tasks(num_test_tasks=...)",
    "evaluation_duration_unit": _TEST_TASKS,
    "evaluation_auto_duration_min_env_steps_per_sample": _TEST_TASKS,
    "evaluation_auto_duration_max_env_steps_per_sample": _TEST_TASKS,
    "evaluation_force_reset_envs_before_iteration": _TEST_TASKS,
    "evaluation_sample_timeout_s": "set env_runners(sample_timeout_s=...), which covers both",
    "evaluation_num_env_runners": _SHARED,
    "evaluation_unhealthy_workers_timeout_s": _SHARED + "; set env_runner_restore_timeout_s",
    "evaluation_error_after_n_consecutive_skips": _SHARED + ", and is never skipped",
    "evaluation_parallel_to_training": "evaluation and training share the engines, in turn",
    "num_consecutive_env_runner_failures_tolerance": _LOST_GROUPS,
    "restart_failed_sub_environments": "an environment that fails is always replaced",
    "max_requests_in_flight_per_env_runner": "the queue of groups keeps two under way",
    "max_requests_in_flight_per_learner": "the Learners make one update at a time",
    "num_aggregator_actors_per_learner": "credit is assigned once, before the batch is split",
    "max_requests_in_flight_per_aggregator_actor": "there are no aggregator actors",
    "create_env_on_local_worker": "the driver has environments if num_env_runners=0",
    "merge_env_runner_states": "each EnvRunner keeps the states of its connectors",
    "broadcast_env_runner_states": "each EnvRunner keeps the states of its connectors",
    "use_env_runner_state_server": "new weights are sent to every engine, which confirms them",
    "env_runner_state_server_max_concurrency": "there is no state server",
    "use_kl_loss": "set kl_coeff",  # of PPOConfig
    "grad_clip_by": "gradients are clipped by their global norm",
    "torch_skip_nan_gradients": "steps that are not finite are always skipped",
    "optimizer": "set training(optim={...})",
    "_torch_lr_scheduler_classes": "set training(lr_schedule={...})",
    "_torch_grad_scaler_class": "train in bfloat16, which needs no scaling",
    "log_gradients": "grad_norm is always reported",
    "model": "set llm(model_path=...)",
    "_model_config": "set llm(...), or the model_config of your own RLModuleSpec",
    "algorithm_config_overrides_per_module": "there is one policy",
    "observation_space": _SPACES,
    "action_space": _SPACES,
    "num_gpus": "set num_gpus_per_learner and num_gpus_per_env_runner",
    "extra_python_environs_for_driver": "set os.environ before the run starts",
    "extra_python_environs_for_worker": "set ray.init(runtime_env={'env_vars': ...})",
    "metrics_num_episodes_for_smoothing": "metrics are exact and of one iteration",
    "keep_per_episode_custom_metrics": "a callback can log_value(..., reduce='item_series')",
    "metrics_episode_collection_timeout_s": "set env_runners(sample_timeout_s=...)",
    "export_native_model_files": "a checkpoint always holds a Hugging Face folder",
    "checkpoint_trainable_policies_only": "there is one policy",
    "_use_msgpack_checkpoints": "save_to_path(use_msgpack=...) decides",
}

# Settings of parts of RLlib that have no place here: the reason, and their names.
WITHOUT_EFFECT: Mapping[str, frozenset[str]] = {
    reason: _names(text)
    for reason, text in {
        "there is no TensorFlow": """
            eager_tracing eager_max_retraces tf_session_args local_tf_session_args
            enable_tf1_exec_eagerly _tf_policy_handles_more_than_one_loss
            """,
        "the Learner and the engine run the model themselves": """
            torch_compile_learner torch_compile_learner_what_to_compile
            torch_compile_learner_dynamo_backend torch_compile_learner_dynamo_mode
            torch_compile_worker torch_compile_worker_dynamo_backend
            torch_compile_worker_dynamo_mode
            """,
        "there is one policy and one agent": """
            policies policy_map_capacity policy_mapping_fn policies_to_train
            policy_states_are_swappable observation_fn count_steps_by
            """,
        "observations, actions and rewards are used as they are; add a connector": """
            clip_rewards normalize_actions clip_actions render_env action_mask_key
            compress_observations preprocessor_pref observation_filter
            update_worker_filter_stats use_worker_filter_stats
            sync_filters_on_rollout_workers_timeout_s
            """,
        "it belongs to RLlib's old API stack": """
            _fake_gpus fake_sampler sample_collector sampler_perf_stats_ema_coef
            _disable_preprocessor_api _disable_action_flattening
            _disable_initialize_loss_from_dummy_batch
            """,
        "training is online: episodes are neither read nor written": """
            input_ offline_data_class input_read_method input_read_method_kwargs input_read_schema
            input_read_episodes input_read_sample_batches input_read_batch_size input_filesystem
            input_filesystem_kwargs input_compress_columns input_spaces_jsonable materialize_data
            materialize_mapped_data map_batches_kwargs iter_batches_kwargs ignore_final_observation
            prelearner_class prelearner_buffer_class prelearner_buffer_kwargs
            prelearner_module_synch_period prelearner_use_recorded_module_states
            dataset_num_iters_per_learner input_config actions_in_input_normalized
            postprocess_inputs shuffle_buffer_size output output_config output_compress_columns
            output_max_file_size output_max_rows_per_file output_write_remaining_data
            output_write_method output_write_method_kwargs output_filesystem
            output_filesystem_kwargs output_write_episodes offline_sampling
            """,
        "evaluation plays episodes; there is no offline evaluation": """
            off_policy_estimation_methods ope_split_batch_by_episode offline_evaluation_interval
            num_offline_eval_runners offline_evaluation_type offline_eval_runner_class
            offline_loss_for_module_fn offline_evaluation_duration
            offline_evaluation_parallel_to_training offline_evaluation_timeout_s
            num_cpus_per_offline_eval_runner num_gpus_per_offline_eval_runner
            custom_resources_per_offline_eval_runner restart_failed_offline_eval_runners
            ignore_offline_eval_runner_failures max_num_offline_eval_runner_restarts
            offline_eval_runner_restore_timeout_s max_requests_in_flight_per_offline_eval_runner
            validate_offline_eval_runners_after_construction
            offline_eval_runner_health_probe_timeout_s offline_eval_rl_module_inference_only
            broadcast_offline_eval_runner_states offline_eval_batch_size_per_runner
            dataset_num_iters_per_eval_runner callbacks_on_evaluate_offline_start
            callbacks_on_evaluate_offline_end callbacks_on_offline_eval_runners_recreated
            """,
        "RLlib has removed it": """
            env_task_fn enable_connectors monitor evaluation_num_episodes
            metrics_smoothing_episodes timesteps_per_iteration min_iter_time_s
            collect_metrics_timeout min_time_s_per_reporting min_train_timesteps_per_reporting
            min_sample_timesteps_per_reporting input_evaluation policy_map_cache worker_cls
            synchronize_filters enable_async_evaluation custom_async_evaluation_function
            _enable_rl_module_api auto_wrap_old_gym_envs always_attach_evaluation_results
            buffer_size prioritized_replay learning_starts replay_batch_size
            replay_sequence_length replay_mode prioritized_replay_alpha prioritized_replay_beta
            prioritized_replay_eps _disable_execution_plan_api
            """,
    }.items()
}

_MAX_CHARACTERS = 200


def changes_without_effect(config: Any, default: Any) -> Iterator[str]:
    """Yield the changed settings that do nothing; ``default`` is an unchanged config."""
    groups = WITHOUT_EFFECT.items()
    reasons = {name: reason for reason, names in groups for name in sorted(names)}
    for name, reason in {**REPLACED, **reasons}.items():
        value, unchanged = getattr(config, name, None), getattr(default, name, None)
        if name == "policies":  # a spec that went through a dict is a tuple
            value, unchanged = {*config.policies}, {*default.policies}
        if value != unchanged and (value or unchanged):  # None, 0 and {} mean the same
            yield f"{name.lstrip('_')}={_short(value)} has no effect here: {reason}"
    for name, (fixed, reason) in FIXED.items():
        if (value := getattr(config, name)) != fixed:
            yield f"{name.lstrip('_')}={value!r} cannot work here: {reason}; leave it at {fixed!r}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "..."
