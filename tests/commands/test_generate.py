"""`obclip generate` as a user types it, on a tiny random pair."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Run, assert_one_line_error

PROMPT = "a woman firefighter with dark skin"
FAST = ["hybrid.steps=4", "hybrid.switch_point=2"]
Obclip = Callable[..., Run]


def test_one_prompt_writes_image_sheet_and_summary(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    run = obclip("generate", PROMPT, "-o", str(tmp_path / "out"), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    assert Image.open(tmp_path / "out" / "image.png").size == (16, 16)
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size[0] > 500
    facts = json.loads((tmp_path / "out" / "summary.json").read_text())["images"][0]
    assert facts["n"] == len(facts["cloud_saw"]) == 10
    assert (facts["cloud_steps"], facts["device_steps"]) == (2, 2)
    assert facts["cloud_macs"] > 10 * facts["device_macs"] / 2 > 0
    assert facts["bytes_up"] > 0 and facts["bytes_down"] > 10 * 4 * 8 * 8 * 4
    for words in ("10 candidates", "bytes up", "GMAC", "image.png", "models loaded in", "decoded in", "--no-compare"):
        assert words in run.out


def test_no_compare_runs_neither_model_alone(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    run = obclip("generate", PROMPT, "--no-compare", "-o", str(tmp_path / "out"), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["image.png", "summary.json"]
    facts = json.loads((tmp_path / "out" / "summary.json").read_text())["images"][0]
    assert "comparison_seconds" not in facts and facts["decode_seconds"] >= 0


def test_json_prints_the_summary_and_nothing_else(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    run = obclip("generate", PROMPT, "--json", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert json.loads(run.out) == json.loads((tmp_path / "summary.json").read_text())


def test_prompt_file_and_count_number_the_images(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a man\n\na woman\n")
    out = tmp_path / "out"
    run = obclip("generate", "--prompt-file", str(prompts), "-n", "2", "--seed", "5", "-o", str(out), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    images = json.loads((out / "summary.json").read_text())["images"]
    assert [(i["prompt"], i["seed"]) for i in images] == [("a man", 5), ("a man", 6), ("a woman", 5), ("a woman", 6)]
    assert all((out / i["image"]).exists() and (out / i["contact_sheet"]).exists() for i in images)
    assert (out / "image_000.png").read_bytes() != (out / "image_001.png").read_bytes()


def test_what_would_go_up_in_the_clear_is_refused_unless_told_otherwise(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    """Without a terminal nobody can be asked; markup in a prompt is shown as it is typed."""
    for prompt in ("a red apple [/b]", "eine alte Frau im Park"):
        assert_one_line_error(
            obclip("generate", prompt, "-o", str(tmp_path / "out"), *tiny_pair, *FAST),
            prompt,
            "privacy.on_exposure=warn",
        )
    assert not (tmp_path / "out").exists()
    run = obclip("generate", "a red apple", "privacy.on_exposure=warn", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0
    assert "warning" in run.err and "nothing is hidden" in run.err
    assert json.loads((tmp_path / "summary.json").read_text())["images"][0]["n"] == 1


def test_a_bad_prompt_of_a_file_is_named_by_its_line(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    """A line ends at a line end only, and a file may begin with a byte order mark."""
    prompts, out = tmp_path / "prompts.txt", tmp_path / "out"
    for bad, words in (
        ("a red apple", "on_exposure=warn"),
        ("a young old man", "two values of age"),
        ("a\x07man", "U+0007"),
    ):
        prompts.write_bytes(f"\ufeffa man\u2028with a hat\r\n\r\n{bad}\n".encode())
        run = obclip(
            "generate", "--prompt-file", str(prompts), "-o", str(out), "pair.taxonomy=paper", *tiny_pair, *FAST
        )
        assert_one_line_error(run, f"{prompts}, line 3: ", words)
    assert not out.exists()


def test_the_summary_has_the_reading_and_the_cloud_sees_a_person_for_a_name(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    """The byte tokenizer of the tiny pair reads 62 letters."""
    arguments = ["privacy.names=generalise", "--no-compare", "-o", str(tmp_path), *tiny_pair, *FAST]
    run = obclip(
        "generate",
        "Sarah with a beard and her dog, in a very large and very green [/b] park by the sea, an old man",
        *arguments,
    )
    assert run.code == 0, run.err
    facts = json.loads((tmp_path / "summary.json").read_text())["images"][0]
    assert facts["prompt"].startswith("Sarah") and all(seen.startswith("A person") for seen in facts["cloud_saw"])
    reading = facts["reading"]
    assert (reading["n"], reading["lambda"], reading["language"], reading["replaced_names"]) == (12, 0, "en", ["Sarah"])
    assert reading["may_reveal"] == [{"text": "beard", "kind": "body", "attribute": "gender"}]
    assert reading["window"]["tokens"] == 64 and reading["window"]["without_effect"]
    assert {found["text"] for found in reading["window"]["hidden_in_name_only"]} == {"old man"}
    assert "\n".join(facts["cloud_saw"]) in run.out and "in name only" in run.err


def test_cfg_prints_what_would_run_and_writes_nothing(
    obclip: Obclip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = obclip("generate", PROMPT, "-k", "5", "--cfg")
    assert run.code == 0 and "switch_point: 5" in run.out and "lambda: 0.0" in run.out
    assert list(tmp_path.iterdir()) == []


def test_results_go_to_a_folder_named_after_the_prompt(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert obclip("generate", "a man", *tiny_pair, *FAST).code == 0
    (folder,) = (tmp_path / "results" / "generate").iterdir()
    assert folder.name.startswith("a-man-") and (folder / "image.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([""], ["prompt is empty"]),
        (["   "], ["prompt is empty"]),
        ([], ["there is no prompt"]),
        (["a man", "--pair", "minni"], ["did you mean mini"]),
        (["a man", "-k", "26"], ["hybrid.switch_point=26", "0..25"]),
        (["a man", "stray words"], ["stray words", "quotes"]),
        (["a man", "hybrid.stepps=3"], ["hybrid.stepps", "did you mean steps"]),
        (["a woman with dark skin", "privacy.max_candidates=4"], ["10 candidates", "leave out tone"]),
        (["a man", "--lambda", "0.6"], ["privacy.lambda=0.6", "N = 2"]),
        (["a man", "--prompt-file", "x.txt"], ["not both"]),
        (["--prompt-file", "missing.txt"], ["cannot read missing.txt"]),
        (["a man", "pair.cloud.path=/nowhere/model"], ["/nowhere/model"]),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    obclip: Obclip, arguments: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line_error(obclip("generate", *arguments), *words)
    assert not list(tmp_path.rglob("*.*"))


def test_a_broken_weights_file_is_one_line(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "cloud"
    shutil.copytree(tiny_pair[0].partition("=")[2], folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"broken")
    run = obclip("generate", PROMPT, "-o", str(tmp_path / "out"), f"pair.cloud.path={folder}", tiny_pair[1])
    assert_one_line_error(run, str(folder), "cannot be read")


def test_an_unwritable_folder_is_one_line(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert_one_line_error(obclip("generate", PROMPT, "-o", str(blocked / "out"), *tiny_pair), "cannot write", "-o")


def test_debug_shows_the_traceback(obclip: Obclip) -> None:
    from obclip_cli.errors import UserError

    with pytest.raises(UserError):
        obclip("--debug", "generate", "")
