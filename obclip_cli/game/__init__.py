"""The game of guessing: clients of every scheme send prompts, the wire is recorded, the truth is laid aside.

Holds both sides, so no attack may import it.
"""
