"""What a new user has already, trained: a class with tools, an OpenEnv server, an agent program.

    python benchmarks/plug_in.py --figures
    python benchmarks/plug_in.py --figures --only tools

Everything happens in a temporary folder with an empty home: clone, install, then the example of
each kind, with the warm start of its small model. The OpenEnv server has its own process.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from figures import ROOT, Figure, write_figures
from new_user import timed

ISSUE = 22
EXAMPLES = {
    "tools": "tools_trl_class.py",
    "openenv": "delivery_openenv_tiny.py",
    "program": "agent_program_tiny.py",
}
SERVED = ("rllib_gigpo.envs:Delivery-v0", {"size": 3, "num_walls": 2, "slack": 3})
_ENDS = 3  # iterations at each end of a run that its success is averaged over


@dataclass(frozen=True, slots=True)
class Trained:
    """How a run went.

    Attributes:
        seconds: From the command to its end.
        first: Mean success of the first iterations.
        last: That of the last ones.
    """

    seconds: float
    first: float
    last: float


def main() -> None:
    """Train all examples from a new clone, and print the seconds and the success of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figures", action="store_true", help="write docs/results/figures.json")
    parser.add_argument("--only", nargs="+", choices=EXAMPLES, default=list(EXAMPLES))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        install_s, runs = measured(Path(folder), arguments.only)
    print(f"install    {install_s:6.0f} s")
    figures = [Figure(ISSUE, "plug_in/install_s", install_s)]
    for name, run in runs.items():
        print(f"{name:<10} {run.seconds:6.0f} s, success {run.first:.2f} to {run.last:.2f}")
        figures += [
            Figure(ISSUE, f"plug_in/{name}_s", run.seconds),
            Figure(ISSUE, f"plug_in/{name}_success_first", run.first),
            Figure(ISSUE, f"plug_in/{name}_success_last", run.last),
        ]
    if arguments.figures:
        write_figures(figures)


def measured(folder: Path, names: Sequence[str]) -> tuple[float, Mapping[str, Trained]]:
    """Return the seconds of clone and installation, and how some examples went."""
    clone = folder / "rllib-gigpo"
    install_s = timed(["git", "clone", "--quiet", str(ROOT), str(clone)], folder, folder)
    install_s += timed(["make", "setup"], clone, folder)
    with served(clone, folder) as url:
        os.environ["OPEN_ENV_URL"] = url
        return install_s, {name: trained(name, clone, folder) for name in names}


def trained(name: str, clone: Path, home: Path) -> Trained:
    """Train an example to its end."""
    output, file = home / name, f"tuned_examples/recipes/{EXAMPLES[name]}"
    rllib = str(clone / ".venv" / "bin" / "rllib")
    seconds = timed([rllib, "train", "file", file, "--output", str(output)], clone, home)
    lines = next(output.glob("*/*/result.json")).read_text().splitlines()
    success = [json.loads(line)["env_runners"]["success_rate"] for line in lines]
    return Trained(seconds, mean(success[:_ENDS]), mean(success[-_ENDS:]))


@contextmanager
def served(clone: Path, home: Path) -> Iterator[str]:
    """Serve the user's own environment in another process; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env, env_config = SERVED
    command = [str(clone / ".venv" / "bin" / "rllib"), "serve-env", env, "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--env-config", json.dumps(env_config)],
        cwd=clone,
        env={**os.environ, "HOME": str(home)},
    )
    try:
        wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server listens."""
    while True:
        assert server.poll() is None, "the server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)


if __name__ == "__main__":
    main()
