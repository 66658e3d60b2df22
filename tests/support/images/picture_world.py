"""A world to look at: a square in one of four corners, which words move; states have no names."""

import gymnasium
import numpy as np

CORNERS = ((0, 0), (0, 24), (24, 0), (24, 24))  # of the square's 24 pixels in 48x48
WORDS = ("left", "right", "up", "down")


class PictureWorld(gymnasium.Env):
    """Bring the square to the corner at the bottom right; any other text is one of the words too.

    Args:
        observation: "box" for a picture, "dict" for a picture and a text, "wide" for one with four
            channels.
        max_steps: Steps after which an episode is truncated.
    """

    def __init__(self, observation="box", max_steps=3):
        picture = gymnasium.spaces.Box(0, 255, (48, 48, 3), np.uint8)
        text = gymnasium.spaces.Text(100)
        self.observation_space = (
            gymnasium.spaces.Dict({"view": picture, "said": text})
            if observation == "dict"
            else picture
        )
        self.action_space = text
        self._kind, self._max_steps = observation, max_steps
        self._screen = np.zeros((48, 48, 3), np.uint8)  # drawn into again and again

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._corner = int(self.np_random.integers(3))
        self._num_steps = 0
        return self._look("start"), self._info()

    def step(self, action):
        word = action if action in WORDS else WORDS[sum(action.encode()) % len(WORDS)]
        self._num_steps += 1
        row, column = divmod(self._corner, 2)
        row = {"up": 0, "down": 1}.get(word, row)
        column = {"left": 0, "right": 1}.get(word, column)
        self._corner = 2 * row + column
        won = self._corner == 3
        return self._look(word), float(won), won, self._num_steps >= self._max_steps, self._info()

    def _look(self, said):
        self._screen[:] = 30
        top, left = CORNERS[self._corner]
        self._screen[top : top + 24, left : left + 24] = (220, 60, 20)
        if self._kind == "wide":
            return np.concatenate([self._screen, self._screen[:, :, :1]], axis=2)
        if self._kind == "dict":
            return {"view": self._screen.copy(), "said": said}
        return self._screen

    def _info(self):
        info = {"admissible_actions": list(WORDS), "won": self._corner == 3}
        if self._corner != 3:
            info["expert_action"] = "down" if self._corner < 2 else "right"
        return info
