"""Options that several commands share: each is on every command where it means something, and changes something."""

from collections.abc import Callable

import pytest
import yaml

from obclip_cli.attacks import ATTACKS
from obclip_cli.commands.options import split_prompt
from obclip_cli.errors import UserError
from obclip_cli.overrides import names_of
from tests.conftest import Run

Obclip = Callable[..., Run]
OPTIONS = {
    "--pair": (["--pair", "sdxl-koala"], "pair.name", "sdxl-koala"),
    "--dataset": (["--dataset", "mjhq"], "dataset.name", "mjhq"),
    "-k": (["-k", "7"], "hybrid.switch_point", 7),
    "--lambda": (["--lambda", "0.2"], "privacy.lambda", 0.2),
    "--seed": (["--seed", "3"], "seed", 3),
    "--limit": (["--limit", "9"], "dataset.limit", 9),
    "overrides": (["hybrid.steps=12"], "hybrid.steps", 12),
}
COMMANDS = {
    "generate": ("--pair", "-k", "--lambda", "--seed", "overrides"),
    "candidates": ("--pair", "--lambda", "overrides"),
    "eval": ("--pair", "--dataset", "-k", "--lambda", "--seed", "--limit", "overrides"),
    "attack": ("--pair", "--lambda", "--seed", "overrides"),
    "profile": ("--pair", "-k", "overrides"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_changes_the_configuration_that_is_shown(obclip: Obclip, command: str) -> None:
    given = [OPTIONS[option] for option in COMMANDS[command]]
    stock = obclip(command, "--cfg")
    run = obclip(command, "--cfg", *(word for words, _, _ in given for word in words))
    assert stock.code == run.code == 0, run.err
    for _, key, expected in given:
        values = [yaml.safe_load(shown.out) for shown in (stock, run)]
        for name in key.split("."):
            values = [value[name] for value in values]
        assert values[1] == expected != values[0], key


def test_the_first_of_several_switch_points_is_the_configured_one(obclip: Obclip) -> None:
    assert yaml.safe_load(obclip("eval", "-k", "7,9", "--cfg").out)["hybrid"]["switch_point"] == 7


def test_models_and_launchers_are_overrides_and_no_prompts() -> None:
    overrides = ["model@pair.cloud=sdxl", "+dataset.more=1", "hydra/launcher=joblib"]
    assert split_prompt(overrides) == (None, overrides)
    assert split_prompt(["a man, x=1", "seed=3"]) == ("a man, x=1", ["seed=3"])
    with pytest.raises(UserError, match="put the whole prompt in quotes"):
        split_prompt(["a", "man"])


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("eval", [*names_of("dataset"), *names_of("pair"), *names_of("experiment")]),
        ("sweep", [*names_of("dataset"), *names_of("pair")]),
        ("attack", [*ATTACKS, "detection", *names_of("pair")]),
        ("reproduce", [*names_of("experiment"), *names_of("pair")]),
    ],
)
def test_help_lists_what_may_be_chosen(
    obclip: Obclip, command: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "2000")
    shown = obclip(command, "--help").out
    assert not [name for name in names if name not in shown]
