"""Where the environment with SPU lies, for the tests that need it."""

import os
from pathlib import Path

import pytest

PLACE = Path(os.environ.get("OBCLIP_MPC") or Path.home() / ".cache" / "obclip" / "mpc")
WHY = "no environment with JAX and SPU here: `obclip profile --pir` makes it; OBCLIP_MPC=DIR names another"
needs_spu = pytest.mark.skipif(not (PLACE / "bin" / "python").exists(), reason=WHY)
