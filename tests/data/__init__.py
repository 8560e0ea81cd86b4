"""Datasets, on small folders made here."""

from obclip_cli.compose import compose_config
from obclip_cli.data import Dataset, load_dataset


def load(name: str, *overrides: str) -> Dataset:
    return load_dataset(compose_config([f"dataset={name}", *overrides]).dataset)
