"""What the model card says of its targets is read from the scores."""

import pandas as pd

from obclip_cli.mini.card import intervals_apart, lowest, tones_by_style

TONES = pd.Series({"Noto dark": 0.6, "Noto all": 0.95, "Fluent 3D dark": 0.8, "Fluent 3D all": 0.9, "all dark": 0.84})


def test_the_lowest_is_of_whole_styles_and_tones() -> None:
    assert lowest(TONES) == "0.84 (dark)"


def test_tones_stand_by_style() -> None:
    assert tones_by_style(TONES)["dark"].to_dict() == {"Fluent 3D": 0.8, "Noto": 0.6, "all": 0.84}


def test_intervals_that_meet_are_not_apart() -> None:
    cloud = pd.Series({"fid_high": 1.0, "role_top3_low": 0.9, "tone_low": 0.9})
    device = pd.Series({"fid_low": 1.1, "role_top3_high": 0.9, "tone_high": 0.8})
    assert intervals_apart(cloud, device) == "fid: yes, role_top3: no, tone: yes"
