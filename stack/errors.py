"""The errors of the embedded stack."""


class StackError(Exception):
    """Says what happened, to which part or file, and what to do."""


class SettingError(StackError):
    """A setting or option is wrong: nothing was started."""


class PartFailedError(StackError):
    """A part died while starting or was not healthy by its deadline."""
