"""The container file and the manifest for Kubernetes."""

import json
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "deployment"
KUBERNETES = "1.33"


@pytest.fixture(scope="module")
def objects():
    found = list(yaml.safe_load_all((FOLDER / "ray_job.yaml").read_text()))
    return {one["kind"]: one for one in found}


def pod_templates(job):
    cluster = job["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"]["template"]] + [
        group["template"] for group in cluster["workerGroupSpecs"]
    ]


def test_hadolint_finds_nothing_in_the_container_file():
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [hadolint, "--format", "json", FOLDER / "Dockerfile"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(found.stdout) == []


def test_hadolint_finds_a_mistake(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN sudo make\n")
    command = [Path(sys.executable).with_name("hadolint"), tmp_path / "Dockerfile"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_core_objects_fit_the_schemas_of_kubernetes(objects):
    kubernetes_validate.validate(objects["PersistentVolumeClaim"], KUBERNETES, strict=True)
    for number, template in enumerate(pod_templates(objects["RayJob"])):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{number}"},
            "spec": template["spec"],
        }
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_pods_mount_only_volumes_that_they_have(objects):
    claim = objects["PersistentVolumeClaim"]["metadata"]["name"]
    for template in pod_templates(objects["RayJob"]):
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        assert volumes["results"]["persistentVolumeClaim"]["claimName"] == claim
        for container in template["spec"]["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys()


def test_the_job_trains_an_example_with_the_ray_that_is_installed(objects):
    spec = objects["RayJob"]["spec"]
    words = spec["entrypoint"].split()
    assert words[:3] == ["rllib", "train", "file"]
    assert (ROOT / words[3]).is_file()
    setup = (ROOT / "setup.py").read_text()
    assert f"ray[rllib]=={spec['rayClusterSpec']['rayVersion'].rpartition('.')[0]}.*" in setup
