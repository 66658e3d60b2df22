"""TextWorld-Express: fast text games (needs Java)."""

from __future__ import annotations

from typing import Any

from ..common.option_checks import check_choice
from ..contract import TAGS
from .adapter import Answer
from .java_game import JavaGameEnv, is_test, java_backend

FOLDS = ("train", "dev", "test")


class TextWorldExpressEnv(JavaGameEnv):
    """A TextWorld-Express game, chosen by name.

    Args:
        name: TextWorld-Express's name, such as "coin" or "cookingworld".
        params: Its parameters as the package takes them, such as "numLocations=5".
        fold: "train", "dev" or "test"; None selects "test" for seeds of test tasks, else "train".
    """

    def __init__(self, name: str = "coin", params: str = "", fold: str | None = None) -> None:
        super().__init__(name=name, params=params, fold=fold)
        check_choice("fold", fold, (None, *FOLDS))
        self._backend = java_backend("textworld_express", extra="textworld-express")
        self._name, self._params, self._fold = name, params, fold
        self._ensure_open()

    def _open(self) -> Any:
        game = self._backend.TextWorldExpressEnv(envStepLimit=10**6)
        try:
            game.load(gameName=self._name, gameParams=self._params)
        except ValueError:
            game.close()
            raise
        return game

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        fold = self._fold or ("test" if is_test(seed) else "train")
        number = seed % 2**31  # fits into a Java int
        text, facts = self._game.reset(seed=number, gameFold=fold, generateGoldPath=True)
        self._start(self._game.getGoldActionSequence(), float(facts["score"]))
        return text, self._info(facts)

    def _play(self, action: str) -> Answer:
        self._follow(action)
        text, _, done, facts = self._game.step(action)
        return text, self._gain(float(facts["score"])), done, False, self._info(facts)

    def _info(self, facts: dict[str, Any]) -> dict[str, Any]:
        task, state = facts["taskDescription"], facts["look"] + facts["inventory"]
        won = bool(facts["tasksuccess"])
        info = self._facts(task=task, actions=facts["validActions"], anchor=state, won=won)
        return info | {TAGS: [self._name]}
