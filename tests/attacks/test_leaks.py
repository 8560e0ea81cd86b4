"""Each planted leak is caught by the attack meant for it; each repaired scheme stays within its bound."""

import inspect

import pytest

from obclip_cli.attacks import ATTACKS
from obclip_cli.game.run import Arena, schemes_of
from obclip_cli.game.scoring import NOT_APPLICABLE
from tests.attacks.conftest import Verdicts, is_leak

TEXT_ATTACKS = ("prior", "position", "surface", "context", "intersection-repeated", "intersection-different")


def test_planted_leaks_are_caught_and_the_repaired_schemes_are_not(arena: Arena, verdicts: Verdicts) -> None:
    """A leak is a scheme that names the attack meant for it: a new one is tested here without another word."""
    planted = {name: scheme.caught_by for name, scheme in schemes_of(arena, [], 0.1).items() if scheme.caught_by}
    assert len(planted) >= 5
    for name, attack in planted.items():
        assert is_leak(verdicts(name, attack)), name
        assert not is_leak(verdicts("all", attack)), attack
        assert not is_leak(verdicts("bucket", attack)), attack


@pytest.mark.parametrize("attack", [*TEXT_ATTACKS, "inversion"])
def test_sending_all_gives_every_attack_exactly_one_in_n(verdicts: Verdicts, attack: str) -> None:
    """p* takes every value once a template, so a guess that does not depend on it is right once in N."""
    score = verdicts("all", attack)
    assert score["success"] == pytest.approx(0.1) and score["bound"] == 0.1


@pytest.mark.parametrize("attack", [*TEXT_ATTACKS, "traffic", "timing", "inversion"])
def test_a_bucket_stays_within_one_in_m(verdicts: Verdicts, attack: str) -> None:
    score = verdicts("bucket", attack)
    assert score["bound"] == pytest.approx(0.2) and not is_leak(score)
    assert attack != "prior" or score["success"] == pytest.approx(0.2)  # which reaches the bound


@pytest.mark.parametrize("scheme", ["cloud-only", "hybrid-sd"])
def test_a_prompt_in_the_clear_is_known(verdicts: Verdicts, scheme: str) -> None:
    assert verdicts(scheme, "prior")["success"] == 1.0
    assert is_leak(verdicts(scheme, "intersection-repeated"))
    assert verdicts(scheme, "position")["verdict"] == NOT_APPLICABLE


def test_replacement_rules_itself_out(verdicts: Verdicts) -> None:
    assert verdicts("replacement", "prior")["success"] == 0.0
    assert is_leak(verdicts("replacement", "intersection-repeated"))


def test_a_draw_keeps_its_bound_on_repetition_but_adds_up_over_prompts(verdicts: Verdicts) -> None:
    """λ of `dp` is for one template; the page of promises says so."""
    assert not is_leak(verdicts("dp", "intersection-repeated"))
    assert is_leak(verdicts("dp", "intersection-different"))


def test_no_attack_takes_the_truth(arena: Arena) -> None:
    for attack in ATTACKS.values():
        assert list(inspect.signature(attack(arena.knowledge).guess).parameters) == ["transcript"]


def test_a_connection_that_closes_early_tells_its_row(verdicts: Verdicts) -> None:
    assert verdicts("all", "traffic")["success"] == pytest.approx(0.1)
    assert verdicts("hangs-up", "traffic")["success"] > 0.3
