"""Two agents who speak in turn, each with secrets; any word is a legal action."""

import gymnasium


class TwoVoices(gymnasium.Env):
    """Six turns of alice and bob; "go left" at the end pays 1, to bob as much again.

    Each turn has a secret number that only its role sees, and only the first turn of a role has a
    task.
    """

    observation_space = action_space = gymnasium.spaces.Text(200)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.turn = 0
        return self._seen(), self._info()

    def step(self, action):
        self.turn += 1
        is_last = self.turn == 6
        reward = float(is_last and action.strip() == "go left")
        info = self._info() | {"role_rewards": {"bob": 2 * reward}}
        return self._seen(), reward, is_last, False, info

    @property
    def _role(self):
        return ("alice", "bob")[self.turn % 2]

    def _seen(self):
        return f"{self._role} sees {self.turn}."

    def _info(self):
        task = {"task": f"the plan of {self._role}"} if self.turn < 2 else {}
        words = ["go left", "go right"]
        return task | {
            "role": self._role,
            "admissible_actions": words,
            "expert_action": words[self.turn % 2],
        }


gymnasium.register("TwoVoices-v0", TwoVoices, disable_env_checker=True)
