"""What the model card says of its targets is read from the scores."""

import pandas as pd

from obclip_cli.mini.card import intervals_apart, lowest


def test_the_lowest_is_of_whole_styles_and_tones() -> None:
    shares = {"dark": [0.6, 0.8, 0.84], "light": [1.0, 1.0, 1.0], "all": [0.95, 0.9, 0.8]}
    assert lowest(pd.DataFrame(shares, index=["Noto", "Fluent 3D", "all"])) == "0.84 (dark)"


def test_intervals_that_meet_are_not_apart() -> None:
    cloud = pd.Series({"fid_high": 1.0, "role_top3_low": 0.9, "tone_low": 0.9})
    device = pd.Series({"fid_low": 1.1, "role_top3_high": 0.9, "tone_high": 0.8})
    assert intervals_apart(cloud, device) == "fid: yes, role_top3: no, tone: yes"
