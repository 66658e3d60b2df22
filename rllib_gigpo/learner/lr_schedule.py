"""The learning rate as a function of the iteration."""

import math

SCHEDULES = ("constant", "linear", "cosine")


def learning_rate(
    iteration: int,
    *,
    lr: float,
    schedule: str = "constant",
    warmup_iterations: int = 0,
    decay_iterations: int | None = None,
    final_fraction: float = 0.0,
) -> float:
    """Return the learning rate of an iteration.

    Warm-up: ``lr·(i + 1)/W`` for i < W, so that the first iteration already learns. Then with the
    progress p = (i - W)/(D - W), clamped to [0, 1], and f the final fraction: linear
    ``lr·(1 - (1 - f)·p)``, cosine ``lr·(f + (1 - f)·(1 + cos πp)/2)``.

    Args:
        iteration: i, from 0.
        lr: The rate after the warm-up.
        schedule: "constant", "linear" or "cosine".
        warmup_iterations: W.
        decay_iterations: D, counted from iteration 0; needed unless the schedule is constant.
        final_fraction: f, in [0, 1]; the rate stays at f·lr from iteration D on.

    Returns:
        The learning rate.

    Raises:
        ValueError: If ``schedule`` is unknown, or a decaying one has no D > W.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule={schedule!r} is unknown; use one of {', '.join(SCHEDULES)}.")
    if iteration < warmup_iterations:
        return lr * (iteration + 1) / warmup_iterations
    if schedule == "constant":
        return lr
    if decay_iterations is None or decay_iterations <= warmup_iterations:
        raise ValueError(
            f"A {schedule} schedule needs decay_iterations > warmup_iterations, got "
            f"{decay_iterations} and {warmup_iterations}; set it to the length of the run."
        )
    progress = (iteration - warmup_iterations) / (decay_iterations - warmup_iterations)
    progress = min(progress, 1.0)
    shape = 1.0 - progress if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))
    return lr * (final_fraction + (1.0 - final_fraction) * shape)
