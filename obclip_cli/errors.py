"""What a user did wrong, in one line."""


class UserError(Exception):
    """Something the user can put right. The message names what is wrong and what to type instead."""
