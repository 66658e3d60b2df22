"""Groups of Learners that are rebuilt in place, and what is read from each of their Learners."""

import pytest
from ray.rllib.core import DEFAULT_MODULE_ID
from support.models.learner_groups import of_each

SETTINGS = {"kl_coeff": 0.1, "entropy_coeff": 0.01, "grad_clip": 0.05}


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def group_with(request, make_group, make_config, make_spec):
    """Return a function that rebuilds a group of two or three Learners with some settings."""
    group = make_group(request.param)

    def rebuild(**settings):
        config = make_config(num_learners=request.param, **{**SETTINGS, **settings})
        of_each(group, rebuilder(config, make_spec(config)))
        return group

    return rebuild


def rebuilder(config, spec):
    """Return a closure, which Ray can send to a Learner's process by value."""

    def rebuild(learner):
        learner.config, learner._module_spec = config, spec
        learner._is_built = False
        learner.build()

    return rebuild


def gathered(tensor):
    """Return a copy of a tensor, gathered on all Learners if it is sharded."""
    from torch.distributed.tensor import DTensor

    whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole.detach().clone()


@pytest.fixture(scope="session")
def gradients():
    """Return a function that reads a Learner's gradients, gathered."""

    def read(learner):
        module = learner.module[DEFAULT_MODULE_ID].unwrapped()
        return {
            name: gathered(parameter.grad)
            for name, parameter in module.named_parameters()
            if parameter.grad is not None
        }

    return read


@pytest.fixture(scope="session")
def weights():
    """Return a function that reads a Learner's weights, gathered."""

    def read(learner):
        module = learner.module[DEFAULT_MODULE_ID].unwrapped()
        tensors = [*module.weights(whole=gathered)]
        for key, model in module.second_models.items():
            tensors += model.named_parameters(prefix=key)
        return {name: gathered(value) for name, value in tensors}

    return read


@pytest.fixture(scope="session")
def assert_same():
    """Return a check that tensors are equal up to a share of the largest entry."""

    def check(tensors, others, *, tolerance):
        assert tensors.keys() == others.keys()
        largest = max(tensor.abs().max().item() for tensor in others.values())
        assert largest > 0
        for name, tensor in tensors.items():
            difference = (tensor - others[name]).abs().max().item()
            assert difference <= tolerance * largest, name

    return check
