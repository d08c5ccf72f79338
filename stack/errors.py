"""What can go wrong with the embedded stack, as one family."""


class StackError(Exception):
    """Says what happened, to which part or file, and what to do about it."""


class SettingError(StackError):
    """A setting or option is wrong: nothing was started."""


class PartFailedError(StackError):
    """A part died while starting or was not healthy by its deadline."""
