"""The environment of SPU and TenSEAL: made on first use, or pointed to; obclip's own never sees them."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from obclip_cli.errors import UserError, require
from obclip_cli.resources import cache_folder

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PYTHON = (3, 11)
MADE = ".made-by-obclip"
ASK = "import importlib.metadata as m, json; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"


def pinned() -> dict[str, str]:
    """Package -> version."""
    lines = REQUIREMENTS.read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def interpreter(folder: Path | None) -> Path:
    """The Python of the environment; without a folder, of one in the user's cache, which is made where it is missing.

    Raises:
        UserError: the folder holds no such environment, or none can be made.
    """
    if folder is None:
        folder = cache_folder("mpc")
        if not _is_made(folder):
            _make(folder)
    check(folder)
    return folder / "bin" / "python"


def check(folder: Path) -> None:
    """Whether an environment has what is pinned.

    Raises:
        UserError: names the first package that it lacks or has in another version.
    """
    python, put_right = folder / "bin" / "python", "leave --environment out, and obclip makes one"
    require(python.exists(), f"{folder} is no virtual environment (no bin/python in it); {put_right}")
    try:
        said = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=True, timeout=60).stdout
        there = json.loads(said)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UserError(f"{python} does not run ({type(error).__name__}); {put_right}") from error
    for package, version in pinned().items():
        has = there.get(package.lower())
        lacks = f"has {package} {has}, not {version}" if has else f"has no {package} {version}"
        require(has == version, f"{folder} {lacks}; {put_right}, or `{python} -m pip install -r {REQUIREMENTS}`")


def _mark() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def _is_made(folder: Path) -> bool:
    mark = folder / MADE
    return mark.exists() and mark.read_text() == _mark()


def _make(folder: Path) -> None:
    """With pip's own progress on standard error; what was downloaded is kept, so that it can be stopped.

    Raises:
        UserError: there is no Python 3.11, or pip fails.
    """
    name = ".".join(map(str, PYTHON))
    python = sys.executable if sys.version_info[:2] == PYTHON else shutil.which(f"python{name}")
    require(
        python is not None, f"SPU needs Python {name}, which is not here; install it, or point to --environment DIR"
    )
    print(f"obclip: making the environment of SPU and TenSEAL in {folder} (0.3 GB to download)", file=sys.stderr)
    install = [folder / "bin" / "python", "-m", "pip", "install", "-r", REQUIREMENTS]
    for command in ([python, "-m", "venv", folder], install):
        done = subprocess.run([str(part) for part in command], stdout=sys.stderr, check=False)
        if done.returncode:
            raise UserError(f"the environment in {folder} was not made (see above); type the same command again")
    (folder / MADE).write_text(_mark())
