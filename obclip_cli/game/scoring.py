"""Where guesses meet truth, and nowhere else."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from obclip_cli.attacks import Attack
from obclip_cli.attacks.transcript import Transcript

NORMAL_95 = 1.959964
WITHIN, LEAK, NOT_APPLICABLE = "within the bound", "LEAK", "not applicable"
NOT_PROMISED = "not promised"


@dataclass(frozen=True)
class Score:
    """One attack on one scheme.

    Attributes:
        prompts: how many it was tried on.
        success: share of right guesses.
        low, high: 95 % interval of it.
        bound: 1/N + λ, the mean over the prompts.
        verdict: LEAK where the whole interval lies above the bound.
    """

    prompts: int
    success: float
    low: float
    high: float
    bound: float

    @property
    def verdict(self) -> str:
        if self.prompts == 0:
            return NOT_APPLICABLE
        return LEAK if self.low > self.bound else WITHIN


def success(guess: np.ndarray, place: int) -> float:
    """Chance that the likeliest candidate, ties broken at random, is the real one."""
    likeliest = np.flatnonzero(np.isclose(guess, guess.max(), rtol=0, atol=1e-12))
    return float(place in likeliest) / len(likeliest)


def wilson(right: float, trials: int) -> tuple[float, float]:
    """Wilson's 95 % score interval. Shared guesses count as parts, whose variance is below a coin's: it stays valid."""
    if trials == 0:
        return math.nan, math.nan
    share, z = right / trials, NORMAL_95**2 / trials
    middle, half = share + z / 2, math.sqrt(z * (share * (1 - share) + z / 4))
    return (middle - half) / (1 + z), (middle + half) / (1 + z)


def power(bound: float, trials: int, excess: float = 0.05) -> float:
    """The chance that a LEAK is called where the true success lies `excess` above the bound."""
    called = next((right for right in range(trials + 1) if wilson(right, trials)[0] > bound), trials + 1)
    return float(stats.binom.sf(called - 1, trials, min(1.0, bound + excess)))


def score(guesses: Iterable[np.ndarray | None], truth: pd.DataFrame) -> Score:
    """Score guesses against the truth of a run.

    Args:
        guesses: one a transcript, probabilities (N,); None where the attack did not apply.
        truth: one row a transcript, with `place` and `bound`.
    """
    facts = zip(guesses, truth["place"], truth["bound"], strict=False)
    tried = [(success(guess, place), bound) for guess, place, bound in facts if guess is not None]
    right, count = sum(part for part, _ in tried), len(tried)
    low, high = wilson(right, count)
    mean_bound = math.fsum(bound for _, bound in tried) / count if count else float(truth["bound"].mean())
    return Score(count, right / count if count else math.nan, low, high, mean_bound)


def score_run(folder: Path, transcripts: list[Transcript], attacks: dict[str, Attack]) -> pd.DataFrame:
    """Every attack on the transcripts of one run folder: one row an attack."""
    truth = pd.read_csv(folder / "truth.csv")
    rows = []
    for name, attack in attacks.items():
        result = score([attack.guess(transcript) for transcript in transcripts], truth)
        rows.append({"attack": name} | asdict(result) | {"verdict": result.verdict})
    return pd.DataFrame(rows)
