"""The alternative that the paper names, run for real: secure computation and homomorphic encryption.

`party.py`, `unet_jax.py` and `homomorphic.py` are scripts of another environment (`environment.py`), which has
SecretFlow SPU and TenSEAL; the rest is obclip's side of them.
"""
