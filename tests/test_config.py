"""Composition, checks, and errors that help."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir, version
from hydra.core.global_hydra import GlobalHydra
from hypothesis import given
from hypothesis import strategies as st

from obclip_cli.compose import compose_config, differing
from obclip_cli.config import DTYPES, CacheConfig, Config, HybridConfig, ModelConfig, PrivacyConfig, plain
from obclip_cli.errors import UserError
from obclip_cli.overrides import quoted, read_override
from obclip_cli.resources import data_folder
from obclip_cli.runs import run_digest


def test_defaults_are_the_papers() -> None:
    config = compose_config()
    assert (config.hybrid.steps, config.hybrid.switch_point, config.hybrid.order) == (25, 10, "server_first")
    assert (config.privacy.strategy, config.privacy.lambda_) == ("all", 0.0)


RAW = r"Lexer|[Mm]erg|Incompatible|of type|lambda_|full_key|expecting|NoneType"  # words of Hydra and OmegaConf


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["pair=minni"], ["no pair minni", "did you mean mini"]),
        (["dataset=imagenet"], ["no dataset imagenet", "coco"]),
        (["hybrid.switchpoint=3"], ["hybrid.switchpoint", "did you mean switch_point"]),
        (["hybird.steps=3"], ["hybird", "did you mean hybrid"]),
        (["pair.cloud.pth=x"], ["pair.cloud.pth", "did you mean path"]),
        (["hybrid.switch_point=26"], ["hybrid.switch_point=26", "0..25"]),
        (["hybrid.switch_point=-1"], ["hybrid.switch_point=-1"]),
        (["hybrid.switch_point=ten"], ["hybrid.switch_point=ten must be a whole number"]),
        (["hybrid.steps=0"], ["hybrid.steps=0"]),
        (["hybrid.order=sideways"], ["sideways", "server_first"]),
        (["privacy.strategy=hope"], ["hope", "all, bucket"]),
        (["privacy=all", "privacy.lambda=0.2"], ["privacy.lambda=0.2", "bucket"]),
        (["privacy.lambda=1"], ["privacy.lambda=1"]),
        (["privacy.lambda=-0.1"], ["privacy.lambda=-0.1"]),
        (["privacy.epsilon=2"], ["privacy.epsilon=2", "dp"]),
        (["privacy=dp", "privacy.epsilon=-1"], ["privacy.epsilon=-1"]),
        (["privacy.detector=rulez"], ["rulez", "did you mean rules"]),
        (["privacy.lamda=0.1"], ["privacy.lamda", "did you mean lambda"]),
        (["model@pair.cloud=sdx"], ["no model sdx", "did you mean sdxl"]),
        (["pair.device.scheduler=lmc"], ["scheduler=lmc", "did you mean lcm"]),
        (["pair=lcmsdxl-koala", "hybrid=default"], ["hybrid.switch_point=10 must lie in 0..8 (pair.cloud.steps)"]),
        (["hybrid.timestep_shift=1"], ["hybrid.timestep_shift=1", "a schedule of its own"]),
        (["pair=lcmsdxl-koala", "hybrid.timestep_shift=25"], ["at step 29 of 25"]),
        (["pair=lcmsdxl-koala", "hybrid.order=client_first", "privacy=none"], ["client_first", "one schedule"]),
        (["pair=lcmsdxl-koala", "hybrid.handover=history"], ["history", "restart"]),
        (["dataset.limt=3"], ["dataset.limt", "--cfg"]),
        (["pair.dtype=int8"], ["pair.dtype=int8", "fp16, bf16, fp32"]),
        (["pair.dtype=Tensor"], ["pair.dtype=Tensor"]),
        (["pair.dtype=fp8"], ["pair.dtype=fp8"]),
        (["pair.guidance_scale=nan"], ["guidance_scale=nan", "finite"]),
        (["pair.guidance_scale=inf"], ["guidance_scale=inf"]),
        (["pair.device.guidance_scale=-1"], ["guidance_scale=-1.0"]),
        (["pair.cloud.path=null"], ["pair.cloud.path=null must be text"]),
        (["privacy.max_candidates=0"], ["privacy.max_candidates=0"]),
        (["cache.cache_point=11"], ["cache.cache_point=11", "1..10"]),
        (["cache.skip_point=11"], ["cache.skip_point=11", "1..10"]),
        (["cache=paper_k10", "hybrid.switch_point=5"], ["cache.skip_point=6 must lie in 1..5"]),
        (["hybrid.cloud_steps=[0,3,3]"], ["hybrid.cloud_steps=[0,3,3] must increase"]),
        (["hybrid.cloud_steps=[0,10]"], ["hybrid.cloud_steps=[0,10] must lie in 0..9"]),
        (["hybrid.cloud_steps=[1,3]"], ["hybrid.cloud_steps=[1,3] must begin with step 0"]),
        (["hybrid.cloud_steps=11"], ["hybrid.cloud_steps=11", "1..10"]),
        (["hybrid.cloud_steps=few"], ["hybrid.cloud_steps=few", "such as 3 or [0,3,6]"]),
        (["hybrid.device_steps=16"], ["hybrid.device_steps=16", "1..15"]),
        (["hybrid.device_steps=3", "hybrid.switch_point=25"], ["device has no steps"]),
        (["hybrid.cloud_steps=3", "cache.trunk=4"], ["cache.trunk=4 must lie in 1..3 (hybrid.cloud_steps)"]),
        (["hybrid.cloud_steps=3", "cache.skip_every=2", "cache.order=1"], ["cache.order=1 needs two whole steps"]),
        (["cloud.batch=1"], ["cloud.batch=1", "at least 2"]),
        (["seed=-1"], ["seed=-1"]),
        (["+hybrid.speed=3"], ["hybrid.speed"]),
        (["nonsense"], ["nonsense", "group.key=value"]),
        (["~hybrid.steps"], ["~hybrid.steps", "group.key=value"]),
        (["=3"], ['"=3" is not an override']),
        (["hybrid.steps=null"], ["hybrid.steps=null must be a whole number"]),
        (["hybrid.steps=1001"], ["hybrid.steps=1001 must lie in 1..1000"]),
        (["hybrid.steps={a:1}"], ["hybrid.steps={a:1} must be a whole number"]),
        (["hybrid.steps.x=3"], ["hybrid.steps.x=3: hybrid.steps must be a whole number"]),
        (["hybrid.steps=${foo}"], ["hybrid.steps=${foo}: ${...} takes the value of another setting"]),
        (["hybrid.steps=${hybrid.steps}"], ["${...} takes the value of another setting"]),
        (["pair.cloud.path=${oc.env:NOWHERE_SET}"], ["${...} takes the value of another setting"]),
        (["pair.cloud.steps=x"], ["pair.cloud.steps=x must be a whole number, or null"]),
        (["privacy.lambda=abc"], ["privacy.lambda=abc must be a number"]),
        (["privacy.lambda=0,0.1"], ["`obclip sweep privacy.lambda=0,0.1` tries each"]),
        (["cache.fresh_conv_in=maybe"], ["cache.fresh_conv_in=maybe must be true or false"]),
        (["pair.cloud=3"], ["pair.cloud=3 must be a group of settings"]),
        (["pair.cloud.architecture.unet=3"], ["does not fit", "--cfg"]),
        (["experiment={a:1}"], ["experiment={a:1} must be a group of settings"]),
        (["pair=null"], ["there is no pair null", "choose one of: lcmsdxl-koala, mini"]),
        (["cache=3"], ["there is no cache 3"]),
        (["pair=[mini]"], ["there is no pair [mini]"]),
        (["pair=a/b"], ["there is no pair a/b"]),
        (["model@pair.cloud=x/y"], ["there is no model x/y"]),
        (["pair@x=mini"], ["there is no group pair@x", "did you mean pair?"]),
        (["model=sd14"], ["there is no group model"]),
        (["+pair=mini"], ["type it without +"]),
        (["hydra.run.dir=x"], ["hydra.run.dir=x is a setting of `obclip sweep`"]),
        (["cloud.server=http://x/#a"], ["""'cloud.server="http://x/#a"'"""]),
        (["pair.cloud.path=~/models"], ["""'pair.cloud.path="~/models"'"""]),
        (["privacy.secret_file=a=b"], ["""'privacy.secret_file="a=b"'"""]),
        (['pair.cloud.path="a'], [r"""'pair.cloud.path="\"a"'"""]),
        (["pair.cloud.path=(" * 100], ["cannot be read", "..."]),
        (["dataset.name=a/b"], ["dataset.name=a/b must be one word"]),
    ],
)
def test_bad_settings_are_one_line(overrides: list[str], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        compose_config(overrides)
    assert "\n" not in str(error.value) and not re.search(RAW, str(error.value))
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(("short", "name"), DTYPES.items())
def test_number_formats_have_two_names_and_one_identity(short: str, name: str) -> None:
    by_short, by_name = (compose_config([f"pair.dtype={said}"]) for said in (short, name))
    assert by_short.pair.dtype == name and run_digest(by_short) == run_digest(by_name)


def test_where_the_networks_lie_renames_no_run() -> None:
    assert run_digest(compose_config(["networks.clip=/x.pt"])) == run_digest(compose_config())


def test_what_is_written_composes_again_to_the_same() -> None:
    config = compose_config(["hybrid.switch_point=5", "seed=3"])
    flat = [f"{g}.{k}={'null' if v is None else v}" for g in ("hybrid", "privacy") for k, v in plain(config)[g].items()]
    assert compose_config([*flat, "seed=3"]) == config


FILES = sorted(data_folder("configs").glob("*/*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_config_file_composes_alone(path: Path) -> None:
    """But for the schedule of LCM, which needs a cloud that has one, and brings itself along with it."""
    group = "model@pair.cloud" if path.parent.name == "model" else path.parent.name
    more = {"hybrid-lcm": ["pair=lcmsdxl-koala"], "model@pair.cloud-lcm-sdxl": ["hybrid.switch_point=4"]}
    config = compose_config([f"{group}={path.stem}", *more.get(f"{group}-{path.stem}", [])])
    assert config.hybrid.steps == 25
    assert path.stem not in ("lcm", "lcmsdxl-koala") or (config.hybrid.switch_point, config.hybrid.timestep_shift) == (
        4,
        8,
    )


def test_the_first_file_of_each_group_says_the_defaults_of_the_schema() -> None:
    """So that the others need only write what differs."""
    config = compose_config(["cache=none", "privacy=auto", "hybrid=default"])
    assert (config.cache, config.privacy, config.hybrid) == (CacheConfig(), PrivacyConfig(), HybridConfig())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CacheConfig(cache_point=0), "cache.cache_point=0 must be at least 1"),
        (lambda: CacheConfig(skip_point=-1), "cache.skip_point=-1 must be at least 1"),
        (lambda: CacheConfig(cache_point=4, skip_point=3), "cache.skip_point=3 lies before cache.cache_point=4"),
        (lambda: CacheConfig(cache_point=5, refresh=0), "cache.refresh=0"),
        (lambda: CacheConfig(trunk=0), "cache.trunk=0 must be at least 1"),
        (lambda: CacheConfig(skip_every=1), "cache.skip_every=1 must be at least 2"),
        (lambda: CacheConfig(skip_point=1, skip_levels="depe"), r"did you mean deep\?"),
        (lambda: CacheConfig(skip_levels="deep"), "set cache.skip_point or skip_every"),
        (lambda: CacheConfig(order=1), "cache.order=1 extrapolates cached results"),
        (lambda: CacheConfig(skip_point=1, order=1), "cache.order=1 needs two whole steps, and cache.skip_point=1"),
        (lambda: CacheConfig(cache_point=2, order=2), "cache.order=2 must be 0 or 1"),
        (lambda: CacheConfig(guidance_every=2, cache_point=2), "cache.guidance_every=2 leaves out rows"),
        (lambda: CacheConfig(reuse="everything"), "cache.reuse=everything is not known"),
        (lambda: CacheConfig(reuse="branches"), r"did you mean branch\?"),
        (lambda: CacheConfig(reuse="all", pivot="own"), "cache.pivot=own is not known"),
        (lambda: CacheConfig(reuse="all", reuse_layers="selfs"), r"did you mean self\?"),
        (lambda: HybridConfig(order="sideways"), "hybrid.order=sideways"),
        (lambda: PrivacyConfig("all", 0.1), "privacy.lambda=0.1 has no effect on privacy.strategy=all"),
        (lambda: ModelConfig("x", scheduler="euler"), "scheduler=euler is not known"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_python_too(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()


def test_composing_leaves_the_hydra_of_the_caller_alone(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("answer: 42\n")
    with initialize_config_dir(str(tmp_path), version_base="1.2"):
        assert compose_config(["seed=41"]).seed == 41
        assert compose("own").answer == 42 and str(version.getbase()) == "1.2"
    compose_config(["seed=43"])
    assert not GlobalHydra.instance().is_initialized()


@pytest.mark.parametrize(
    "override",
    [
        *("hybrid.steps=20", "hybrid.switch_point=3", "privacy=none", "seed=5", "cloud.batch=2"),
        *("privacy.max_candidates=3", "privacy.lambda=0.1", "privacy=dp", "privacy.secret_file=x"),
        *("privacy.detector=owner/model", "model@pair.cloud=sdxl", "cache=paper_k5", "pair=lcmsdxl-koala"),
        *("cache=thin_k10", "hybrid.cloud_steps=[0,3,6]", "hybrid.device_steps=5", "cache.trunk=1"),
    ],
)
def test_every_override_changes_the_composed_config(override: str) -> None:
    assert compose_config([override]) != compose_config()


def test_lambda_decides_between_all_and_bucket() -> None:
    assert compose_config().privacy.strategy == "all"
    assert compose_config(["privacy.lambda=0.1"]).privacy.strategy == "bucket"


def test_a_setting_that_a_file_leaves_out_can_be_set() -> None:
    config = compose_config(["pair.cloud.steps=8", "pair.device.guidance_scale=2", "hybrid.switch_point=4"])
    assert (config.pair.cloud.steps, config.pair.device.guidance_scale) == (8, 2.0)


def test_the_pivot_belongs_to_runs_with_reuse_and_to_no_others() -> None:
    for typed, expected in (
        (["cache=none"], None),
        (["cache=none", "cache.pivot=first"], None),
        (["cache=paper_k10", "cache.reuse=null"], None),
        (["cache=paper_k10"], "public"),
        (["cache=paper_k10", "cache.pivot=first"], "first"),
    ):
        settings = differing(plain(compose_config(typed)), Config)
        assert settings.get("cache.pivot") == expected


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=30))
def test_a_quoted_value_is_read_as_the_same_characters(text: str) -> None:
    """As `obclip --pair` and `evaluate(pair=...)` pass what was typed, and as errors say how to type it."""
    value = read_override(f"privacy.secret_file={quoted(text)}").value()
    assert value == text.replace("${", "\\${")  # which OmegaConf reads as "${" and no interpolation


@pytest.mark.parametrize(
    ("k", "pair", "points"),
    [
        (1, "mini", (1, 1)),
        (3, "mini", (3, 3)),
        (7, "mini", (3, 4)),
        (20, "mini", (6, 12)),
        (2, "lcmsdxl-koala", (2, None)),
    ],
)
def test_the_papers_caches_at_another_k_lie_on_the_line_through_its_two(
    k: int, pair: str, points: tuple[int, int | None]
) -> None:
    cache = compose_config([f"pair={pair}", f"hybrid.switch_point={k}", "cache=paper"]).cache
    assert (cache.name, cache.reuse, cache.cache_point, cache.skip_point) == ("paper", "all", *points)


@pytest.mark.parametrize(
    ("k", "pair", "same"),
    [(10, "mini", "paper_k10"), (5, "mini", "paper_k5"), (4, "lcmsdxl-koala", "paper_lcm"), (0, "mini", "none")],
)
def test_the_papers_caches_at_its_own_k_are_its_presets(k: int, pair: str, same: str) -> None:
    chosen, printed = (
        compose_config([f"pair={pair}", f"hybrid.switch_point={k}", f"cache={name}"]) for name in ("paper", same)
    )
    assert run_digest(chosen) == run_digest(printed)
