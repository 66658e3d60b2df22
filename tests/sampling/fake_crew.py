"""Players without processes: they finish, lose and fail as a test says."""

from rllib_gigpo.batch.sample_result import FinishedGroup, LostGroup, RolloutStats, SampleResult
from rllib_gigpo.sampling.queue.crew import Arrival


class FakeCrew:
    """Players that finish the group that they have had for longest at each `collect`.

    Attributes:
        played: The seeds of the groups that were started, in order, by player.
        dropped: (player, group) of each group that was ended.
        away: Players that are not in service.
    """

    def __init__(self, num_players=1, *, broken=(), kind="step", episodes=lambda task: []):
        """Set the seeds that are lost, the kind of their fault, and what episodes look like."""
        self.held = {player: [] for player in range(1, num_players + 1)}
        self.played = {player: [] for player in self.held}
        self.broken, self.kind, self.episodes = set(broken), kind, episodes
        self.dropped, self.away, self.asleep = [], set(), set()
        self.faults = {}  # player -> (kind, message), once
        self.tells = None  # another arrival, once

    def in_service(self):
        return [player for player in self.held if player not in self.away]

    answering = in_service

    def hand_out(self, player, tasks, *, weight_version):
        self.held[player] += tasks
        self.played[player] += [task.seed for task in tasks]

    def drop(self, player, group_ids):
        self.dropped += [(player, group_id) for group_id in group_ids]
        self.held[player] = [task for task in self.held[player] if task.group_id not in group_ids]

    def end(self, player, kind, message):
        self.faults[player] = (kind, message)

    def collect(self, *, timeout_s):
        arrivals, self.tells = [self.tells] if self.tells else [], None
        for player, tasks in self.held.items():
            fault = self.faults.pop(player, None)
            if fault is not None:
                tasks.clear()
                arrivals.append(Arrival(player, fault=fault))
            elif tasks and player not in self.asleep:
                arrivals.append(Arrival(player, self._ended(tasks)))
        return arrivals

    def _ended(self, tasks):
        """End the first group, or all that are lost at once if the fault is an incident."""
        ended = tasks[:1]
        if tasks[0].seed in self.broken and self.kind in ("timeout", "worker", "runner"):
            ended = [task for task in tasks if task.seed in self.broken]
        del tasks[: len(ended)]
        stats = RolloutStats(num_steps=len(ended), seconds=float(len(ended)))
        lost = [LostGroup(task, self.kind, "broke") for task in ended if task.seed in self.broken]
        if lost:
            return SampleResult(lost=lost, stats=stats)
        return SampleResult(
            [FinishedGroup(task, self.episodes(task)) for task in ended], stats=stats
        )
