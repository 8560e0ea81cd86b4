"""Where the environments with SPU and with orion-fhe lie, for the tests that need them."""

import os
from pathlib import Path

import pytest

CACHE = Path.home() / ".cache" / "obclip"
PLACE = Path(os.environ.get("OBCLIP_MPC") or CACHE / "mpc")
ORION_PLACE = Path(os.environ.get("OBCLIP_ORION") or CACHE / "orion")
WHY = "no environment with JAX and SPU here: `obclip profile --pir` makes it; OBCLIP_MPC=DIR names another"
WHY_ORION = "no environment with orion-fhe here: `obclip profile --ckks-block` makes it; OBCLIP_ORION=DIR names another"
needs_spu = pytest.mark.skipif(not (PLACE / "bin" / "python").exists(), reason=WHY)
needs_orion = pytest.mark.skipif(not (ORION_PLACE / "bin" / "python").exists(), reason=WHY_ORION)
