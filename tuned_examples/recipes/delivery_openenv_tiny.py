"""Training on an OpenEnv server: the deliveries of delivery_gigpo_tiny.py, played over a socket.

    rllib train file tuned_examples/recipes/delivery_openenv_tiny.py

The file serves the environment itself. To train on a server that runs already, as the nodes of a
cluster need, start it in another terminal, and put its address into OPEN_ENV_URL:

    export GRID='{"size": 3, "num_walls": 2, "slack": 3}'
    rllib serve-env rllib_gigpo.envs:Delivery-v0 --env-config "$GRID" --port 8000

    export OPEN_ENV_URL=http://127.0.0.1:8000

A server that dies costs the groups that it was playing. The run waits a minute for its return.
"""

import os

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.envs.open_env.server.background import serve_in_background

DELIVERY = "rllib_gigpo.envs:Delivery-v0"
GRID = {"size": 3, "num_walls": 2, "slack": 3}

url = os.environ.get("OPEN_ENV_URL") or serve_in_background(DELIVERY, GRID)

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment("rllib_gigpo.envs:OpenEnv-v0", env_config={"url": url, "reconnect_s": 60})
    .tasks(num_train_tasks=1024, num_test_tasks=256, max_episode_steps=100)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    .training(lr=3e-4)
    # The model is fitted without a server, so that the fit is found again with any address.
    .warm_start(env=DELIVERY, env_config=GRID, demonstrations={"random_label_probability": 0.65})
    .debugging(seed=0)
)

stop = {"training_iteration": 25}
