"""`GiGPOLearner`: the update loop, from token rows to one optimiser step per mini-batch.

The credit pipeline fixes the mini-batches, and the number that divides each one's loss sum.
Micro-batches, their layout and the number of Learners therefore do not change a gradient.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray.rllib.core import ALL_MODULES, DEFAULT_MODULE_ID
from ray.rllib.core.learner.learner import Learner
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.utils.annotations import override

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.learner.checkpointed_learner import CheckpointedLearner
from rllib_gigpo.learner.kl.kl_placement import make_kl_term
from rllib_gigpo.learner.old_log_probs import recompute_old_logp, resolve_old_logp
from rllib_gigpo.learner.optimization.optim import parameter_groups, scale_learning_rates
from rllib_gigpo.learner.scoring import ForwardSettings, memory_told, pass_memory
from rllib_gigpo.learner.second_models.process_reward import ProcessReward
from rllib_gigpo.learner.second_models.value_update import ValueUpdate, values_of
from rllib_gigpo.learner.sharding.kinds import make_sharding
from rllib_gigpo.learner.training_rows import TrainingRows
from rllib_gigpo.learner.update_data import UpdateData, prepare_update
from rllib_gigpo.learner.update_sums import UpdateSums
from rllib_gigpo.loss.objective import (
    METRIC_NAMES,
    ObjectiveSettings,
    ObjectiveSums,
    objective,
)
from rllib_gigpo.models.causal_lm import resolve_dtype
from rllib_gigpo.models.hardware.micro_batch_size import resolve_micro_batch_tokens
from rllib_gigpo.models.hardware.pass_memory import BYTES, shape_if_known
from rllib_gigpo.models.hardware.precision import AUTO, Precision, prefers_bfloat16
from rllib_gigpo.models.layouts.layout_choice import make_layout
from rllib_gigpo.models.model_probe import probe
from rllib_gigpo.rl_modules import causal_lm_module as lm


class GiGPOLearner(CheckpointedLearner):
    """The Learner that trains the causal LM of `CausalLMModule` on `TrainingRows`."""

    @override(TorchLearner)
    def build(self) -> None:
        """Build and probe the model, build the optimiser, keep the start weights for a KL term."""
        self._settings = self.config.settings
        # An environment in this process may change the working directory later.
        self._model_folder = str(Path(str(self._settings.model.model_path)).expanduser().absolute())
        self.sharding = make_sharding(self.config)
        super().build()
        probe(self._causal_lm.adapter)
        self._iteration = 0
        loss, optimizer = self._settings.loss, self._settings.optimizer
        self._old_logp = resolve_old_logp(
            loss.old_logp, loss.importance_sampling, is_equal=self._precision.is_equal
        )
        self._forward_settings = ForwardSettings(
            self._torch_device, optimizer.logp_chunk_tokens, self._precision.autocast
        )
        self._kl = make_kl_term(
            loss.kl_coeff,
            loss.kl,
            self._causal_lm.adapter,
            forward=self._forward_settings,
            sharding=self.sharding,
        )
        self._process_reward = self._make_process_reward()
        self._max_tokens = self._choose_max_tokens()  # last, when the models are in memory
        self._layout = make_layout(
            self._causal_lm.adapter,
            self._settings.learners.prefix_sharing,
            max_tokens=self._max_tokens,
            device=self._torch_device,
            autocast_dtype=self._precision.autocast,
        )

    def _make_process_reward(self) -> ProcessReward | None:
        settings, module = self._settings, self._causal_lm
        if settings.loss.process_reward is None:
            return None
        assert module.process_reward is not None
        return ProcessReward(
            module.process_reward,
            module.adapter,
            beta=settings.loss.process_reward.beta,
            grad_clip=settings.optimizer.grad_clip,
            sharding=self.sharding,
            forward=self._forward_settings,
        )

    def _choose_precision(self) -> Precision:
        """Resolve the types of engine and Learner; bfloat16 by "auto" needs every Learner's yes."""
        device = self._torch_device
        return Precision.of(
            self._settings.model.dtype,
            autocast=self._settings.model.autocast_dtype,
            engine=self._settings.inference.engine_dtype,
            engine_is_here=self.config.num_env_runners == 0 and self.config.num_learners == 0,
            prefers_bfloat16=lambda: self.sharding.all_agree(prefers_bfloat16(device), device),
        )

    def _choose_max_tokens(self) -> int:
        """Return the positions of a micro-batch; each Learner may choose its own."""
        module, settings = self._causal_lm, self._settings
        trained = sum(p.nbytes for p in module.parameters() if p.requires_grad)
        if not self.sharding.is_whole:
            trained //= self.sharding.world_size
        num_parameters = sum(p.numel() for p in module.model.parameters())
        shape = shape_if_known(module.model.config, num_parameters)
        autocast = self._precision.autocast
        memory = shape and pass_memory(shape, settings, autocast, device=self._torch_device)
        return resolve_micro_batch_tokens(
            settings.optimizer.micro_batch_tokens,
            memory or None,
            device=self._torch_device,
            to_come=trained * (1 + settings.optimizer.optim.num_moments)
            + (0 if autocast is None else num_parameters * BYTES[autocast]),
            num_processes=self.sharding.world_size,
        )

    @override(TorchLearner)
    def _map_module_to_device(self, module: Any) -> None:
        """Let `Sharding` place and wrap the model, before the optimiser sees its parameters."""
        self._precision = self._choose_precision()
        wrapped = self.sharding.wrap(
            module[DEFAULT_MODULE_ID], self._torch_device, product_dtype=self._precision.autocast
        )
        module.add_module(DEFAULT_MODULE_ID, wrapped, override=True)

    @override(TorchLearner)
    def _make_modules_ddp_if_necessary(self) -> None:
        """Do nothing: the model is wrapped."""

    @override(TorchLearner)
    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Register one optimiser; each update sets its learning rate first."""
        module, settings = self._module[module_id].unwrapped(), self._settings
        second, loss = module.second_models, settings.loss
        own = ((lm.CRITIC, loss.critic), (lm.PROCESS_REWARD, loss.process_reward))
        groups = parameter_groups(
            (module.model.parameters(), settings.optimizer.lr),
            *((second[key].parameters(), one.lr) for key, one in own if one is not None),
        )
        self.register_optimizer(
            module_id=module_id,
            optimizer=settings.optimizer.optim.build(groups),
            params=[parameter for group in groups for parameter in group["params"]],
        )

    @override(Learner)
    def compute_loss_for_module(self, **kwargs: Any) -> Any:
        """Raise NotImplementedError: `update` has its own loop."""
        raise NotImplementedError("GiGPOLearner computes its loss in update(training_data=...).")

    @override(Learner)
    def update(
        self,
        batch: Any = None,
        *,
        training_data: TrainingRows | None = None,
        timesteps: dict[str, Any] | None = None,
        _no_metrics_reduce: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Train on this Learner's rows: epochs, mini-batches, micro-batches.

        Args:
            batch: Unused: RLlib's batches have no token rows.
            training_data: The rows.
            timesteps: RLlib's counters, passed to the hooks.
            _no_metrics_reduce: Whether to leave the metrics in the logger.
            **kwargs: RLlib's settings for its own loop; unused.

        Returns:
            The Learner's reduced metrics, under the default module's id.

        Raises:
            ValueError: There are no token rows.
        """
        self._check_is_built()
        if not isinstance(training_data, TrainingRows) or training_data.rows is None:
            raise ValueError(
                f"GiGPOLearner.update() got {type(training_data).__name__} without token rows; pass"
                " training_data=TrainingRows(rows=...)."
            )
        self.before_gradient_based_update(timesteps=timesteps or {})
        self._weights_seq_no += 1
        start = time.perf_counter()
        # An environment in this thread may have switched gradients off.
        with self._peers_told_of_failure(), torch.enable_grad():
            scale_learning_rates(
                self._optimizer, self._settings.optimizer.lr_schedule(self._iteration)
            )
            self._train_process_reward(training_data.rows)
            data, mismatch = self._prepare(training_data.rows)
            sums = self._train(data)
        self._free_memory()
        # The mismatch covers all tokens if old_logp is recomputed, else the first mini-batch.
        self._log_means({**sums.results(), **mismatch, "kl_coeff": self._kl.coeff})
        self._log(data, seconds=time.perf_counter() - start)
        if sums.losses:  # else there is no divergence to steer by
            num_rows = float(training_data.rows.minibatch_row_counts.sum())
            self._kl.after_update(sums.results()["kl_to_reference"], num_rows=num_rows)
        self._iteration += 1
        self.after_gradient_based_update(timesteps=timesteps or {})
        return None if _no_metrics_reduce else self.metrics.reduce()

    # ------------------------------------------------------------------ the loop

    def _train_process_reward(self, rows: TokenRows) -> None:
        if self._process_reward is not None:
            self._log_means(self._process_reward.update(rows, self._optimizer, self._layout))

    def _prepare(self, rows: TokenRows) -> tuple[UpdateData, dict[str, float]]:
        """Lay out the rows and score them with the weights that the update starts from."""
        data = self._kl.prepare(self._laid_out(rows))
        if not self._old_logp.is_recomputed:
            return data, {}
        return recompute_old_logp(
            self._causal_lm.adapter,
            data,
            self._old_logp.importance,
            forward=self._forward_settings,
            sharding=self.sharding,
        )

    def _laid_out(self, rows: TokenRows) -> UpdateData:
        return prepare_update(
            rows,
            self._settings.loss.loss_aggregation,
            layout=self._layout,
            sharding=self.sharding,
            device=self._torch_device,
        )

    def _train(self, data: UpdateData) -> UpdateSums:
        optimizer, loss = self._settings.optimizer, self._settings.loss
        self._objective_settings = ObjectiveSettings(
            policy_loss=loss.policy_loss,
            kl_coeff=self._kl.loss_coeff,
            entropy_coeff=loss.entropy_coeff,
            kl_estimator=loss.kl.estimator,
        )
        self._values = None
        if loss.critic is not None:
            self._values = ValueUpdate(
                loss.critic, device=self._torch_device, sharding=self.sharding
            )
        sums = UpdateSums()
        for _ in range(optimizer.num_epochs):
            for minibatch, divisor in enumerate(data.divisors):
                # The divisor is the same on all Learners, so they all skip or none does.
                if divisor > 0:
                    self._train_minibatch(data, minibatch, sums)
        maxima = torch.tensor(
            [sums.fresh_deviation, sums.fresh_logp_diff, sums.max_deviation],
            device=self._torch_device,
        )
        self.sharding.reduce(maxima, maximum=True)
        sums.fresh_deviation, sums.fresh_logp_diff, sums.max_deviation = maxima.tolist()
        if self._values is not None:
            self._log_means(self._values.results())
        return sums

    def _train_minibatch(self, data: UpdateData, minibatch: int, sums: UpdateSums) -> None:
        """Accumulate a mini-batch's gradient over its micro-batches, then step or skip."""
        self._optimizer.zero_grad(set_to_none=True)
        micro_batches = data.micro_batches[minibatch]
        divisor = data.divisors[minibatch]
        totals = torch.zeros(len(METRIC_NAMES) + 1, dtype=torch.float64, device=self._torch_device)
        deviation, logp_diff = torch.zeros(2, device=self._torch_device)
        for index, micro_batch in enumerate(micro_batches):
            is_last = index == len(micro_batches) - 1
            with (
                memory_told(micro_batch),
                self.sharding.gradient_sync(self.module[DEFAULT_MODULE_ID], is_last=is_last),
            ):
                on_device = micro_batch.to(self._torch_device)
                scores = self._forward(on_device)
                part = self._objective(scores, on_device, data)
                loss = part.loss / divisor
                if self._values is not None:
                    loss = loss + self._values.loss(
                        scores[lm.VALUES],
                        data.row_columns,
                        on_device,
                        data.row_divisors[minibatch],
                    )
                # DDP and FSDP2 average over the Learners, but the loss is a sum over them.
                (loss * self.sharding.world_size).backward()
            totals += torch.cat([part.loss.detach().double().reshape(1), part.sums])
            deviation = torch.maximum(deviation, part.max_ratio_deviation)
            logp_diff = torch.maximum(logp_diff, part.max_abs_logp_diff)
        if data.has_fresh[minibatch]:
            sums.add_deviation(deviation.item(), logp_diff=logp_diff.item())
        self.sharding.reduce(totals)
        self._step(totals, divisor, sums)

    def _forward(self, micro_batch: MicroBatch) -> dict[str, torch.Tensor]:
        with self._forward_settings.autocast():
            return self.module[DEFAULT_MODULE_ID].forward_train(
                {
                    lm.MICRO_BATCH: micro_batch,
                    lm.CHUNK_TOKENS: self._forward_settings.chunk_tokens,
                    lm.ENTROPY_GRADIENT: self._settings.loss.entropy_coeff != 0.0,
                }
            )

    def _objective(
        self, scores: dict[str, torch.Tensor], micro_batch: MicroBatch, data: UpdateData
    ) -> ObjectiveSums:
        return objective(
            scores[lm.LOGP],
            scores[lm.ENTROPY],
            data.columns_of(micro_batch),
            self._objective_settings,
        )

    def _step(self, totals: torch.Tensor, divisor: float, sums: UpdateSums) -> None:
        """Clip and step; skip, on every Learner, if the loss or a gradient is not finite."""
        grad_norms = self.sharding.clip_gradients(
            self._optimizer.param_groups, self._settings.optimizer.grad_clip
        )
        loss = totals[0].item() / divisor
        if not all(map(math.isfinite, (loss, *grad_norms))):
            sums.num_skipped += 1
            return
        self._optimizer.step()
        sums.add_step(totals[1:], loss=loss, grad_norm=grad_norms[0])

    def _log(self, data: UpdateData, *, seconds: float) -> None:
        positions = max(data.num_positions, 1)
        self._log_means(
            {
                "padding_fraction": 1.0 - data.num_computed_tokens / positions,
                "shared_fraction": 1.0 - data.num_computed_tokens / max(data.num_tokens, 1),
                "autocast_bfloat16": float(self._precision.autocast is not None),
                "micro_batch_tokens": float(self._max_tokens),
            }
        )
        self.metrics.log_value((DEFAULT_MODULE_ID, "update_s"), seconds, reduce="max")
        for module_id in (DEFAULT_MODULE_ID, ALL_MODULES):
            self.metrics.log_value(
                (module_id, "num_module_steps_trained"), data.num_rows, reduce="sum"
            )
            self.metrics.log_value((module_id, "num_tokens_trained"), data.num_tokens, reduce="sum")

    def _log_means(self, values: Mapping[str, float]) -> None:
        """Log values whose mean over the Learners counts; most are equal on all of them."""
        for name, value in values.items():
            self.metrics.log_value((DEFAULT_MODULE_ID, name), value, reduce="mean")

    @override(TorchLearner)
    def _log_trainable_parameters(self) -> None:
        """Do nothing: RLlib logs these once, and reports NaN from the second update on."""

    @contextlib.contextmanager
    def _peers_told_of_failure(self) -> Iterator[None]:
        """Break the process group on an error; otherwise the other Learners wait a long time."""
        try:
            yield
        except BaseException:
            self.sharding.tell_of_failure()
            raise

    def _free_memory(self) -> None:
        """Free the gradients and the cache, for an engine on the same GPU."""
        if self._settings.inference.share_gpu:
            self._optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()  # does nothing without CUDA

    @property
    def shares_prefixes(self) -> bool:
        """Whether rows may share prefixes; it depends on the model and the settings."""
        return not isinstance(self._layout, PaddedRows)

    # ------------------------------------------------------------------ scores for credit

    def kl_penalties(self, rows: TokenRows) -> np.ndarray:
        """Return β·KL from the reference for this Learner's share of the rows.

        Returns:
            (R,) float64, in units of the reward, in the order of the rows.
        """
        return self._kl.penalties(self._laid_out(rows)).cpu().numpy()

    def implicit_rewards(self, rows: TokenRows) -> np.ndarray:
        """Return the process reward model's rewards for this Learner's share of the rows.

        Returns:
            (R,) float64, in the order of the rows.
        """
        assert self._process_reward is not None
        return self._process_reward.rewards(self._laid_out(rows))

    def values(self, rows: TokenRows) -> np.ndarray:
        """Return the critic's values for this Learner's share of the rows.

        Returns:
            (R,) float64, in the order of the rows.
        """
        return values_of(
            self._causal_lm,
            rows,
            layout=self._layout,
            sharding=self.sharding,
            forward=self._forward_settings,
        )

    # ------------------------------------------------------------------ weights

    def export_weights(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield (name, CPU tensor for the engine) pairs; call it on all Learners."""
        settings = self._settings
        engine = settings.inference.engine_dtype
        # An engine that chooses its own dtype rounds the weights itself.
        dtype = resolve_dtype(settings.model.dtype if engine in (None, AUTO) else engine)
        weights = self._causal_lm.weights(whole=self.sharding.whole)
        return self.sharding.export(weights, dtype)
