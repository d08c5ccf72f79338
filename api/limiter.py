"""Who limits claims, by the settings."""

from typing import TYPE_CHECKING

from api.client_addresses import ClientAddresses, parse_networks
from api.quotas import parse_quota
from api.settings import ApiSettings
from coupons.gate import Gate
from coupons.process.settings import split_list

if TYPE_CHECKING:
    from api.claim_limiter import ClaimLimiter


def limiter_of(settings: ApiSettings, gate: Gate) -> "ClaimLimiter | None":
    """None: nobody is limited, and the library that counts is not even imported."""
    per_user, per_address = settings.api_claims_per_user, settings.api_claims_per_address
    if not (per_user or per_address):
        return None
    from api.claim_limiter import ClaimLimiter
    from api.claim_limits import ClaimLimits

    limits = ClaimLimits(
        gate.client,
        parse_quota(per_user) if per_user else None,
        parse_quota(per_address) if per_address else None,
    )
    trusted = parse_networks(split_list(settings.api_trusted_proxies))
    return ClaimLimiter(limits, ClientAddresses(trusted))
