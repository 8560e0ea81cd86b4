"""Where the package's own data lies: in a clone beside the package, in a wheel inside it."""

from pathlib import Path


def package_folder() -> Path:
    return Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """The folder `configs` or `experiments`, from the wheel if it is there, else from the clone."""
    inside = package_folder() / name
    return inside if inside.is_dir() else package_folder().parent / name
