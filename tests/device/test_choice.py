"""Which candidates are sent, and that the choice tells what it promises."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from obclip_cli.config import WITH_LAMBDA, PrivacyConfig
from obclip_cli.device.choice import Choice, Chooser
from obclip_cli.errors import UserError
from obclip_cli.prompts.candidates import build_candidates
from obclip_cli.prompts.decoys import largest_epsilon
from obclip_cli.prompts.taxonomy import Taxonomy

PROMPT = "a woman firefighter with dark skin"
KEY = bytes(range(32))


def choose(taxonomy: Taxonomy, prompt: str, strategy: str, lambda_: float, key: bytes | None = KEY) -> Choice:
    chooser = Chooser(taxonomy, PrivacyConfig(strategy, lambda_), key, random.Random(0))
    return chooser.choose(build_candidates(prompt, taxonomy, max_candidates=64))


def everyone(taxonomy: Taxonomy, prompt: str = PROMPT) -> tuple[str, ...]:
    return build_candidates(prompt, taxonomy, max_candidates=64).prompts


@pytest.mark.parametrize("lambda_", [0.05, 0.1, 0.15, 0.25, 0.4, 0.9])
def test_a_bucket_is_the_same_for_all_its_members_so_each_is_equally_likely(taxonomy: Taxonomy, lambda_: float) -> None:
    """P(S | p) is 1 for every p in S and 0 for every other: the posterior is uniform on S."""
    choices = {prompt: choose(taxonomy, prompt, "bucket", lambda_) for prompt in everyone(taxonomy)}
    for prompt, choice in choices.items():
        assert choice.sent.prompts[choice.sent.index] == prompt
        assert {p for p, c in choices.items() if c.sent.prompts == choice.sent.prompts} == set(choice.sent.prompts)
        assert choice.lambda_ == pytest.approx(1 / choice.m - 1 / 10) and choice.lambda_worst <= lambda_ + 1e-12
    assert (min(c.m for c in choices.values()) < 10) == (lambda_ >= 0.1)


@pytest.mark.parametrize(("strategy", "lambda_"), [("all", 0.0), ("bucket", 0.2), ("bucket", 0.4), ("none", 0.0)])
def test_each_attributes_lambda_is_what_its_best_guess_gains(taxonomy: Taxonomy, strategy: str, lambda_: float) -> None:
    for prompt in everyone(taxonomy):
        choice = choose(taxonomy, prompt, strategy, lambda_)
        women = sum("woman" in p for p in choice.sent.prompts) / choice.m
        assert choice.by_attribute["gender"] == pytest.approx(max(women, 1 - women) - 0.5)
        tones = Counter(p.partition(" with ")[2] for p in choice.sent.prompts)
        assert choice.by_attribute["tone"] == pytest.approx(max(tones.values()) / choice.m - 0.2)


def test_two_orders_of_two_persons_tell_no_more_than_one(taxonomy: Taxonomy) -> None:
    """A server that sees both requests is right as often as promised for one: both blocks are of the same people."""
    key, n, promised = KEY, 20, 0.1
    orders = "a man and a woman with dark skin", "a woman with dark skin and a man"
    sets = [build_candidates(prompt, taxonomy, max_candidates=64) for prompt in orders]
    shown = []
    for candidates in sets:
        chooser = Chooser(taxonomy, PrivacyConfig("bucket", promised), key, random.Random(0))
        sent = [chooser.choose(replace(candidates, index=place)).sent.prompts for place in range(n)]
        shown.append([frozenset(" and ".join(sorted(p.split(" and "))) for p in prompts) for prompts in sent])
    facts = [[" and ".join(sorted(p.split(" and "))) for p in candidates.prompts] for candidates in sets]
    both = {fact: (shown[0][place], shown[1][facts[1].index(fact)]) for place, fact in enumerate(facts[0])}
    assert len(set(both.values())) / n <= 1 / n + promised + 1e-12
    assert all(first == second for first, second in both.values())


def test_other_words_show_the_same_values(taxonomy: Taxonomy) -> None:
    first = choose(taxonomy, "a lady firefighter with pale skin", "bucket", 0.1)
    other = choose(taxonomy, "a woman cook, light skin, smiling", "bucket", 0.1)
    places = [everyone(taxonomy).index(p) for p in first.sent.prompts]
    assert [everyone(taxonomy, "a man cook, dark skin, smiling").index(p) for p in other.sent.prompts] == places


def test_a_draw_is_fixed_by_the_template_and_may_lack_the_prompt(taxonomy: Taxonomy) -> None:
    templates = [f"a woman {role} with dark skin" for role in ("cook", "judge", "pilot", "singer", "farmer", "teacher")]
    choices = [choose(taxonomy, t, "dp", 0.2) for t in templates]
    assert choices == [choose(taxonomy, t, "dp", 0.2) for t in templates]
    assert {c.keeps_own for c in choices} == {True, False}
    for template, choice in zip(templates, choices, strict=True):
        kept = choice.sent.prompts[choice.sent.index]
        assert (kept == template) == choice.keeps_own and choice.lambda_ <= 0.2
        if not choice.keeps_own and any("woman" in p or "dark skin" in p for p in choice.sent.prompts):
            assert "woman" in kept or "with dark skin" in kept  # the nearest that is there


def test_the_draws_presence_follows_epsilon(taxonomy: Taxonomy) -> None:
    candidates = build_candidates(PROMPT, taxonomy, max_candidates=64)
    values = tuple((g, t) for g in taxonomy.attributes["gender"] for t in taxonomy.attributes["tone"])
    present = []
    for epsilon in (0.0, largest_epsilon(values, 5, 0.1)):
        privacy = PrivacyConfig("dp", 0.1, epsilon=epsilon)
        draws = [Chooser(taxonomy, privacy, bytes([i]) * 32, random.Random(0)).choose(candidates) for i in range(200)]
        present.append(sum(draw.keeps_own for draw in draws) / 200)
    assert abs(present[0] - 0.5) < 0.15  # M/N, within four standard deviations of 200 draws
    assert present[1] > present[0] + 0.1


def test_an_epsilon_that_breaks_lambda_is_refused(taxonomy: Taxonomy) -> None:
    candidates = build_candidates(PROMPT, taxonomy, max_candidates=64)
    with pytest.raises(UserError, match=r"privacy\.epsilon=30"):
        Chooser(taxonomy, PrivacyConfig("dp", 0.1, epsilon=30), KEY, random.Random(0)).choose(candidates)


def test_fresh_decoys_change_and_the_prompt_stays(taxonomy: Taxonomy) -> None:
    chooser = Chooser(taxonomy, PrivacyConfig("fresh", 0.1), None, random.Random(0))
    candidates = build_candidates(PROMPT, taxonomy, max_candidates=64)
    drawn = [chooser.choose(candidates) for _ in range(40)]
    assert {choice.m for choice in drawn} == {5}
    seen = Counter(p for choice in drawn for p in choice.sent.prompts)
    assert seen[PROMPT] == 40 > seen.most_common(2)[1][1]


def test_without_attributes_a_prompt_goes_alone_and_without_lambda_all_go(taxonomy: Taxonomy) -> None:
    for strategy in ("all", "bucket", "dp", "fresh", "replacement", "none"):
        choice = choose(taxonomy, "a red apple", strategy, 0.5 if strategy in WITH_LAMBDA else 0, key=None)
        assert (choice.sent.prompts, choice.n, choice.lambda_) == (("a red apple",), 1, 0)
    choice = choose(taxonomy, PROMPT, "all", 0, key=None)
    assert (choice.m, choice.n, choice.lambda_) == (10, 10, 0)


@pytest.mark.parametrize("strategy", WITH_LAMBDA)
def test_lambda_beyond_what_n_allows_is_refused(taxonomy: Taxonomy, strategy: str) -> None:
    with pytest.raises(UserError, match="N = 2"):
        choose(taxonomy, "a man", strategy, 0.6)
