"""Environments of other works' libraries: made on first use, or pointed to; obclip's own never sees them."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from obclip_cli.errors import UserError, require
from obclip_cli.resources import cache_folder

MADE = ".made-by-obclip"
# What is imported: of a package that is there twice, as where one is borrowed too, the first.
ASK = """
import importlib.metadata as m, json
print(json.dumps({d.name.lower(): m.version(d.name) for d in m.distributions()}))
"""


@dataclass(frozen=True)
class Environment:
    """What is in one.

    Attributes:
        name: its folder in the user's cache.
        what: the libraries, and what is downloaded, in words.
        requirements: a file of this folder; every version is pinned.
        pythons: that the libraries have wheels for; the first that is obclip's own or on the path is taken.
        borrows: whether torch and all beside it are obclip's own, which asks for obclip's own Python.
    """

    name: str
    what: str
    requirements: str
    pythons: tuple[tuple[int, int], ...]
    borrows: bool = False

    @property
    def file(self) -> Path:
        """Of its requirements."""
        return Path(__file__).with_name(self.requirements)

    def pinned(self) -> dict[str, str]:
        """Package -> version."""
        lines = self.file.read_text().splitlines()
        return dict(line.split("==") for line in lines if not line.startswith("#"))


SPU = Environment("mpc", "SPU and TenSEAL (0.3 GB to download)", "requirements.txt", ((3, 11),))
ORION = Environment(
    "orion", "orion-fhe (50 MB to download)", "requirements_orion.txt", ((3, 11), (3, 12)), borrows=True
)


def interpreter(kind: Environment, folder: Path | None) -> Path:
    """The Python of an environment; without a folder, of one in the user's cache, which is made where it is missing.

    Raises:
        UserError: the folder holds no such environment, or none can be made.
    """
    if folder is None:
        folder = cache_folder(kind.name)
        if not _is_made(kind, folder):
            _make(kind, folder)
    check(kind, folder)
    return folder / "bin" / "python"


def check(kind: Environment, folder: Path) -> None:
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
    for package, version in kind.pinned().items():
        has = there.get(package.lower())
        lacks = f"has {package} {has}, not {version}" if has else f"has no {package} {version}"
        require(has == version, f"{folder} {lacks}; {put_right}, or `{python} -m pip install -r {kind.file}`")


def _mark(kind: Environment) -> str:
    return hashlib.sha256(kind.file.read_bytes()).hexdigest()


def _is_made(kind: Environment, folder: Path) -> bool:
    mark = folder / MADE
    return mark.exists() and mark.read_text() == _mark(kind)


def _make(kind: Environment, folder: Path) -> None:
    """With pip's own progress on standard error; what was downloaded is kept, so that it can be stopped.

    Raises:
        UserError: there is no such Python, or pip fails.
    """
    python = _python(kind)
    print(f"obclip: making the environment of {kind.what} in {folder}", file=sys.stderr)
    install = [folder / "bin" / "python", "-m", "pip", "install", "-r", kind.file]
    if kind.borrows:
        install.append("--no-deps")
    for command in ([python, "-m", "venv", folder], install):
        done = subprocess.run([str(part) for part in command], stdout=sys.stderr, check=False)
        if done.returncode:
            raise UserError(f"the environment in {folder} was not made (see above); type the same command again")
    if kind.borrows:
        torch = find_spec("torch")
        assert torch is not None and torch.origin is not None
        for packages in folder.glob("lib/python*/site-packages"):
            (packages / "obclip.pth").write_text(f"{Path(torch.origin).parents[1]}\n")
    (folder / MADE).write_text(_mark(kind))


def _python(kind: Environment) -> str:
    """Obclip's own where it may be, else one on the path."""
    if sys.version_info[:2] in kind.pythons:
        return sys.executable
    names = [".".join(map(str, version)) for version in kind.pythons]
    found = None if kind.borrows else next(filter(None, (shutil.which(f"python{name}") for name in names)), None)
    if found is None:
        where = "obclip's own is another" if kind.borrows else "which is not here; install it"
        raise UserError(
            f"{kind.what.partition(' (')[0]} needs Python {' or '.join(names)}, {where}, or point to --environment DIR"
        )
    return found
