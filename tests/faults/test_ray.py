"""Which cluster a command uses: its own, unless it is told to join one, and then within 10 s."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import ray
from faults.small_disk import small_disk

from rllib_gigpo.cli.cluster.cluster_address import check_cluster
from rllib_gigpo.cli.cluster.cluster_token import usable_token
from rllib_gigpo.cli.main import main
from rllib_gigpo.cli.ray_session import RaySettings, ray_session
from rllib_gigpo.errors import ConfigError

# Prints the address of the cluster that a command uses.
SHOW = """
import ray
from rllib_gigpo.cli.ray_session import RaySettings, ray_session

with ray_session(RaySettings(num_cpus=1)):
    print("address", ray.get_runtime_context().gcs_address)
    print("task", ray.get(ray.remote(lambda: 7).remote()))
"""


@pytest.fixture
def silent_port():
    """Return a port that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def show(**how) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", SHOW],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **how,
    )


@pytest.mark.fault("B10", "case 12", promise="A dead address is one sentence.")
def test_a_dead_address_is_refused_in_words(capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
        ConfigError, match=rf"no Ray cluster answers at --ray-address {address}.*ref"
    ):
        check_cluster(address)


@pytest.mark.slow
@pytest.mark.fault("B10", promise="An address that never answers is one sentence after 10 s.")
def test_a_silent_address_is_refused_in_words(silent_port):
    with pytest.raises(ConfigError, match=r"no answer within 10 s"):
        check_cluster(f"127.0.0.1:{silent_port}")


@pytest.mark.parametrize("address", ["here", "localhost", ":6379", "host:port", ""])
@pytest.mark.fault("B10", promise="What is not an address is refused in words.")
def test_what_is_not_an_address_is_refused(address):
    with pytest.raises(ConfigError, match="is not an address; give HOST:PORT"):
        check_cluster(address)


@pytest.mark.fault("case 12", promise="Numbers of CPUs with an address are refused in words.")
def test_numbers_of_cpus_need_an_own_cluster(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    settings = RaySettings(address="127.0.0.1:1", num_cpus=2)
    with pytest.raises(ConfigError, match="no effect on a running cluster"), ray_session(settings):
        pass


@pytest.mark.fault("case 12", promise="The help says which cluster is used.")
def test_the_help_says_which_cluster_is_used(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "even if RAY_ADDRESS is set" in " ".join(capsys.readouterr().out.split())


@pytest.mark.fault("B10", "case 12", promise="RAY_ADDRESS is not used unasked; a line says so.")
def test_a_command_starts_its_own_cluster_whatever_ray_address_says(silent_port):
    stale = f"127.0.0.1:{silent_port}"
    shown = show(env={**os.environ, "RAY_ADDRESS": stale})
    assert "task 7" in shown.stdout, shown.stderr
    assert stale not in shown.stdout
    assert f"RAY_ADDRESS={stale} is not used; to join that cluster, add --ray-addr" in shown.stderr


@pytest.mark.fault("B22", "case 22", promise="A home that is missing or read-only does not matter.")
@pytest.mark.parametrize("home", [pytest.param("", marks=pytest.mark.slow), "missing"])
def test_ray_starts_without_a_home(tmp_path, home):
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        shown = show(env={**os.environ, "HOME": str(disk / home)})
    assert "task 7" in shown.stdout, shown.stderr


@pytest.mark.fault("B22", promise="If Ray cannot start, the message names its folder.")
def test_a_folder_too_long_for_sockets_is_named():
    folder = "/tmp/" + "x" * 100
    shown = show(env={**os.environ, "RAY_TMPDIR": folder})
    assert "Ray could not start: " in shown.stderr
    assert f"in {folder}, which RAY_TMPDIR changes" in shown.stderr


@pytest.mark.fault("case 22", promise="A user who is missing from the list of users needs no home.")
def test_a_user_without_an_entry_gets_a_token(monkeypatch):
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    with usable_token():
        assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.fault("B24", promise="Help shows one percent sign.")
@pytest.mark.parametrize("name", ["train", "evaluate", "play", "warm-start", "settings", "envs"])
def test_help_shows_one_percent_sign(name, capsys):
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert "%%" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.fault("B10", promise="A second cluster on the machine is not joined unasked.")
def test_a_cluster_on_the_machine_is_not_joined():
    first = "import time, ray; print(ray.init(num_cpus=1).address_info['gcs_address'], flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{first}; time.sleep(600)"],
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout
        address = other.stdout.readline().strip()
        shown = show()
        other.kill()
    assert "task 7" in shown.stdout, shown.stderr
    assert address not in shown.stdout
