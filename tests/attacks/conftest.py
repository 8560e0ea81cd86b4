"""A game on the tiny random pair: real clients, a real server, all schemes."""

from collections.abc import Callable

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.game.run import Arena, schemes_of, users_for
from obclip_cli.game.scoring import LEAK

Verdicts = Callable[[str, str], pd.Series]


@pytest.fixture(scope="session")
def arena(tiny_pair: list[str]) -> Arena:
    config = compose_config([*tiny_pair, "hybrid.steps=4", "hybrid.switch_point=1"])
    return Arena(config, users=users_for(config, repeats=3, others=4), answered=20)


@pytest.fixture(scope="session")
def verdicts(arena: Arena, tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """The score of one attack on one scheme at λ = 0.1; each scheme is played once."""
    folder = tmp_path_factory.mktemp("game")
    schemes = schemes_of(arena, [], 0.1)

    def score(scheme: str, attack: str) -> pd.Series:
        recorded = arena.play(scheme, schemes[scheme], folder)
        return arena.attack(recorded, [attack], lambda _: None).iloc[0]

    return score


def is_leak(score: pd.Series) -> bool:
    """Whether the verdict is LEAK, on an attack that was tried at all."""
    assert score["prompts"] > 0
    return bool(score["verdict"] == LEAK)
