"""An unfinished episode."""

from __future__ import annotations

from dataclasses import dataclass

from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.env_runner.episodes.episode_recorder import EpisodeRecorder
from rllib_gigpo.env_runner.episodes.replay import Replay


@dataclass(slots=True, eq=False)
class EpisodeRun:
    """An unfinished episode."""

    task: GroupTask
    member: int
    recorder: EpisodeRecorder
    replay: Replay | None = None  # of a fork
    slot: int = -1
    called_at: float = 0.0  # when its environment was last called
    is_dropped: bool = False

    @property
    def episode(self) -> SingleAgentEpisode:
        """What has been played so far."""
        return self.recorder.episode

    @property
    def request_id(self) -> str:
        """The id of the request for the next answer."""
        return f"{self.task.group_id}-{self.member}-{len(self.episode)}"

    @property
    def place(self) -> str:
        """The environment's call under way, or else its last one."""
        step = f"step {len(self.episode) + 1}" if self.episode.is_reset else "reset()"
        return f"seed {self.task.seed}, {step}"

    @property
    def replay_left(self) -> Replay | None:
        """The replay, while it lasts."""
        replay = self.replay
        return replay if replay is not None and replay.covers(len(self.episode)) else None
