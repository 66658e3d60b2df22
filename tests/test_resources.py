"""A run that asks for what no cluster has is refused at its start."""

import pytest
import ray
from ray.tune import PlacementGroupFactory

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.resources import check_resources


@pytest.fixture(autouse=True)
def cluster(monkeypatch):
    """Two machines of 4 CPUs, one of them with a custom resource; a third one has died."""
    machines = [{"CPU": 4.0}, {"CPU": 4.0, "special": 1.0}]
    nodes = [{"Alive": True, "Resources": one} for one in machines]
    dead = {"Alive": False, "Resources": {"CPU": 64.0}}
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes, dead])
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0, "special": 1.0})
    monkeypatch.setattr(ray.util, "get_current_placement_group", lambda: None)


@pytest.mark.fault("case 4", promise="Every resource that is missing is an error at the start.")
@pytest.mark.parametrize(
    ("bundles", "message"),
    [
        ([{"CPU": 4}, {"CPU": 5}], r"needs 9 CPUs, but Ray has 8.*--ray-num-cpus 9"),
        ([{"CPU": 1, "GPU": 1}], r"needs 1 GPUs, but Ray has 0.*--ray-num-gpus 1"),
        ([{"CPU": 1, "special": 1}] * 2, r"needs 2 of the resource 'special', but Ray has 1.*"),
        ([{"CPU": 1, "other": 0.5}], r"'other', but Ray has 0.*ray start --head --resources="),
        ([{"CPU": 5}], r"process of the run needs 5 CPUs, but no machine of the cluster has"),
    ],
)
def test_what_the_cluster_lacks_is_named(bundles, message):
    with pytest.raises(ConfigError, match=message):
        check_resources(PlacementGroupFactory(bundles))


@pytest.mark.fault("case 4", promise="What fits is not refused.")
@pytest.mark.parametrize("bundles", [[{"CPU": 4}, {"CPU": 4}], [{"CPU": 1, "special": 1}]])
def test_what_fits_is_accepted(bundles):
    check_resources(PlacementGroupFactory(bundles))
