"""Prompts in other languages are told, English ones are not."""

import json
from pathlib import Path

import pytest

from obclip_cli.prompts.language import other_language

PUBLIC = Path(__file__).parents[1] / "data" / "public_prompts.jsonl"


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("ein alter Mann mit Hut", "de"),
        ("retrato de una mujer joven, 8k, artstation", "es"),
        ("une vieille dame avec un chien", "fr"),
        ("一个年轻的女人", "zh"),
        ("портрет старого мужчины", "ru"),
        ("młody mężczyzna, masterpiece, best quality", "pl"),
        ("رجل يمشي", "ar"),
        ("mujer", "es"),
    ],
)
def test_other_languages(prompt: str, code: str) -> None:
    assert other_language(prompt) == code


@pytest.mark.parametrize("prompt", ["a cow", "8k, f/1.4", "a woman in München, naïve style", "café"])
def test_english(prompt: str) -> None:
    assert other_language(prompt) is None


def test_no_public_prompt_is_taken_for_another_language() -> None:
    prompts = [json.loads(line)["prompt"] for line in PUBLIC.read_text(encoding="utf-8").splitlines()]
    assert [prompt for prompt in prompts if other_language(prompt)] == []
