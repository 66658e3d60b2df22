"""ALFWorld: household tasks in text, played on the real engine of the package ``alfworld``.

From a seed to an observation: `game_source` picks a game file (official data through
`official_games`, else made by `generator`), `game` reads and translates it once, `engine` plays it
with the planner's library and the texts of `grammar`, `expert` names a good action, and
`environment` is the ``gymnasium.Env`` of all that.
"""
