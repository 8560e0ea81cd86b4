"""Where the package's own data lies: in a clone beside the package, in a wheel inside it."""

import os
from pathlib import Path


def package_folder() -> Path:
    return Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """The folder `configs` or `experiments`, from the wheel if it is there, else from the clone."""
    inside = package_folder() / name
    return inside if inside.is_dir() else package_folder().parent / name


def resolve(path: str) -> str:
    """A model's place: `package:NAME` for the weights in this package, a folder, or a hub id."""
    return str(package_folder() / path.removeprefix("package:")) if path.startswith("package:") else path


def cache_folder(name: str) -> Path:
    """A folder of `obclip` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "obclip" / name
