#!/bin/sh
# Build the peer's virtual environment, .venv-trl in the repository root, with pip as configured here.
# The environments of this project come from the checkout, through PYTHONPATH; they need no Ray.
#
#   PYTHON           the Python to use; default: python3.11
#   TORCH_INDEX_URL  a package index with CPU builds of torch, if pip's configuration has none
set -eu
cd "$(dirname "$0")/../.."
test -x .venv-trl/bin/python || "${PYTHON:-python3.11}" -m venv .venv-trl
.venv-trl/bin/python -m pip install --quiet -r benchmarks/peers/requirements-trl.txt \
    ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"}
PYTHONPATH=. .venv-trl/bin/python -c 'import trl, rllib_gigpo.envs, sys
assert "ray" not in sys.modules
print("trl", trl.__version__)'
