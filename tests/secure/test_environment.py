"""An environment that is none, or another, is refused before anything runs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from obclip_cli.secure.environment import ORION, SPU, Environment, check
from tests.conftest import Run, assert_one_line_error


def environment(folder: Path, packages: dict[str, str]) -> Path:
    """One whose Python says that it has these packages."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho '{json.dumps(packages)}'\n")
    python.chmod(0o755)
    return folder


@pytest.mark.parametrize("kind", [SPU, ORION])
def test_what_is_pinned_is_enough(kind: Environment, tmp_path: Path) -> None:
    packages = {name.lower(): version for name, version in kind.pinned().items()}
    check(kind, environment(tmp_path / "made", packages))
    assert len(packages) > 2


@pytest.mark.parametrize("option", ["--mpc", "--pir", "--ckks-block"])
@pytest.mark.parametrize(
    ("packages", "words"),
    [
        (None, "no bin/python in it"),
        ({}, "has no "),
        ({"spu": "0.9.5", "jax": "0.5.0", "orion-fhe": "1.0.1"}, ", not "),
    ],
)
def test_another_is_one_line(
    obclip: Callable[..., Run], tmp_path: Path, option: str, packages: dict[str, str] | None, words: str
) -> None:
    folder = tmp_path / "other" if packages is None else environment(tmp_path / "other", packages)
    run = obclip("profile", option, "--environment", str(folder), "-o", str(tmp_path / "out"))
    assert_one_line_error(run, words, "leave --environment out")
    assert not (tmp_path / "out").exists()


def test_two_environments_are_not_one(obclip: Callable[..., Run], tmp_path: Path) -> None:
    run = obclip("profile", "--mpc", "--ckks-block", "--environment", str(tmp_path))
    assert_one_line_error(run, "has an environment of its own; type it alone")
