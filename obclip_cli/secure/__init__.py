"""The alternative that the paper names, run for real: secure computation and homomorphic encryption.

`party.py`, `unet_jax.py` and `homomorphic.py` are scripts of another environment (`environment.py`), which has
SecretFlow SPU and TenSEAL; `encrypted_block.py` is one of a third, with orion-fhe; the rest is obclip's side of them.
"""
