"""Fixtures: a tiny model of text and images, its family and its adapter."""

import pytest
import torch
from support.images.vision import save_idefics3

from rllib_gigpo.models.causal_lm import load_causal_lm
from rllib_gigpo.models.model_adapter import ModelAdapter
from rllib_gigpo.models.vision.families import vision_family
from rllib_gigpo.models.vision.trunk_choice import trunk_maker


@pytest.fixture(scope="session")
def idefics3_folder(tmp_path_factory):
    return save_idefics3(tmp_path_factory.mktemp("idefics3"))


@pytest.fixture(scope="session")
def family(idefics3_folder):
    return vision_family(idefics3_folder)


@pytest.fixture
def adapter(idefics3_folder):
    torch.manual_seed(0)
    return ModelAdapter(load_causal_lm(idefics3_folder), trunk_maker(idefics3_folder))
