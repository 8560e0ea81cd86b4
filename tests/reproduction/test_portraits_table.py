"""The rows of Tables 2 and 6 beside the paper's."""

import pytest

from obclip_cli.compose import compose_config
from obclip_cli.errors import UserError
from obclip_cli.reproduction.datasets import portraits
from obclip_cli.reproduction.portraits_table import PAPER_CANDIDATES, candidates_of, paper_rows, with_attributes
from obclip_cli.reproduction.quality_table import QUOTED


def test_attributes_give_the_papers_candidates_with_its_templates() -> None:
    config = compose_config([*portraits("rv4-smallsd", 1, limit_on_mini=4), "pair=rv4-smallsd"])
    assert {n: candidates_of(with_attributes(config, n)) for n in PAPER_CANDIDATES} == PAPER_CANDIDATES


def test_on_mini_two_attributes_give_ten() -> None:
    config = compose_config(portraits("mini", 1, limit_on_mini=4))
    assert candidates_of(with_attributes(config, 2)) == 10
    assert config.dataset["attributes"] == 1  # the first configuration stays as it was


def test_captions_are_no_templates() -> None:
    with pytest.raises(UserError, match="portraits"):
        with_attributes(compose_config(), 2)


def test_relative_costs_of_table_2_are_of_what_is_printed() -> None:
    rows = paper_rows(2, 6).set_index(["method", "k", "acceleration"])["cloud_share"]
    assert rows["ObCLIP", 10, "cache+reuse"] == pytest.approx(33.28 / 18.53, abs=1e-4)
    assert rows["device-only"].iloc[0] == 0


def test_table_6_prints_no_costs_so_they_are_counted() -> None:
    rows = paper_rows(6, 30).set_index(["method", "k", "acceleration"])["cloud_share_counted"]
    assert rows["vanilla OG"].iloc[0] == pytest.approx(30)
    assert rows["ObCLIP", 5, ""] == pytest.approx(30 * 5 / 25)
    assert rows["ObCLIP", 5, "cache+reuse"] < rows["ObCLIP", 5, "cache"] < 6
    assert rows["device-only"].iloc[0] == 0 and rows[QUOTED].isna().all()
