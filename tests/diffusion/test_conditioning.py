"""What encoding a prompt leaves behind: nothing in a log."""

import logging

import pytest

from obclip_cli.diffusion.conditioning import encode_prompts
from tests.conftest import tiny_pipeline


def test_what_is_cut_off_a_prompt_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A server that keeps no prompts would keep the ends of long ones."""
    pipeline = tiny_pipeline(1, mid_block=True)
    logger = logging.getLogger(type(pipeline).__module__)
    long = "a woman " * 40 + "in a secret place"
    logger.addHandler(caplog.handler)
    try:
        pipeline.encode_prompt(long, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
        assert "secret" in caplog.text
        caplog.clear()
        encode_prompts(pipeline, [long], 7.0)
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.records
