"""An agent's own program plays: it calls an OpenAI-compatible endpoint on the EnvRunner's engine.

``config.environment("rllib_gigpo.agent_programs:AgentProgram-v0", env_config={"program": ...})``
"""

import gymnasium

AGENT_PROGRAM = "AgentProgram-v0"

if AGENT_PROGRAM not in gymnasium.registry:
    gymnasium.register(
        AGENT_PROGRAM,
        entry_point="rllib_gigpo.agent_programs.program_env:AgentProgramEnv",
        disable_env_checker=True,
    )
