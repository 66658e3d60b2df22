"""A config with a model folder and an environment."""

import pytest

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.errors import ConfigError


@pytest.fixture
def model_folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.fixture
def config(model_folder):
    return (
        GiGPOConfig().environment("rllib_gigpo.envs:Corridor-v0").llm(model_path=str(model_folder))
    )


@pytest.fixture
def mistakes():
    """Return the message of a config's `validate()`."""

    def read(config):
        with pytest.raises(ConfigError) as caught:
            config.validate()
        return str(caught.value)

    return read
