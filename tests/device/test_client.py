"""The client with a λ: what goes up is the same for every prompt that it may be."""

from pathlib import Path

from obclip_cli.compose import compose_config
from obclip_cli.device.secret import create_secret
from obclip_cli.pipeline import assemble, oblivious_generation

PROMPT = "a woman firefighter with dark skin"


def test_a_bucket_hides_its_members_from_each_other_and_halves_the_work(tiny_pair: list[str], tmp_path: Path) -> None:
    create_secret(tmp_path / "secret.key")
    overrides = ["hybrid.steps=4", "hybrid.switch_point=1", "privacy.lambda=0.1"]
    config = compose_config([*tiny_pair, *overrides, f"privacy.secret_file={tmp_path / 'secret.key'}"])
    client, server = assemble(config)
    outcome = oblivious_generation(client, server, PROMPT, seed=1)
    sent = outcome.request.candidates
    assert (len(sent), outcome.query.n, outcome.candidate_latents.shape[0]) == (5, 10, 5)
    assert sent[outcome.query.candidates.index] == PROMPT
    assert {client.request(client.prepare(prompt, seed=1)).to_bytes() for prompt in sent} == {
        outcome.request.to_bytes()
    }
    key = (tmp_path / "secret.key").read_text().strip()
    assert key.encode() not in outcome.request.to_bytes() and bytes.fromhex(key) not in outcome.request.to_bytes()
