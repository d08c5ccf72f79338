"""The errors of the embedded stack."""

from coupons.errors import CouponError


class StackError(CouponError):
    """Says what happened, to which part or file, and what to do."""


class SettingError(StackError):
    """A setting or option is wrong: nothing was started."""


class PartFailedError(StackError):
    """A part died while starting or was not healthy by its deadline."""
