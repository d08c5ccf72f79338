"""What can be called next with what a response says, as links of the OpenAPI document."""

from typing import Any


def links_to(*operations: str, **parameters: str) -> dict[str, Any]:
    """Links to operations, by their names.

    parameters: where each of theirs is in this response or its request, as an OpenAPI expression.
    """
    return {name: {"operationId": name, "parameters": parameters} for name in operations}


def coupon_links() -> dict[str, Any]:
    """Of a response that is a coupon with its ETag."""
    of = {"id": "$response.body#/id"}
    reads = links_to("readCoupon", "auditCoupon", "readCodes", "chooseCodes", "claimCoupon", **of)
    changes = (
        *("changeCoupon", "pauseCoupon", "resumeCoupon", "closeCoupon", "archiveCoupon"),
        "discardDraft",
    )
    return reads | links_to(*changes, **of, **{"If-Match": "$response.header.ETag"})


def issued_coupon_links(where: str) -> dict[str, Any]:
    """Of a response that names an issued coupon. where: the JSON pointer of its id."""
    return links_to(
        *("readIssuedCoupon", "listChangesOfIssuedCoupon", "readReceipt", "giveCode"),
        *("useIssuedCoupon", "cancelUse", "revokeIssuedCoupon"),
        id=f"$response.body#{where}",
    )


def use_links() -> dict[str, Any]:
    """Of a response to a use: the same order may cancel it."""
    links = issued_coupon_links("/id")
    return links | {"cancelUse": {**links["cancelUse"], "requestBody": "$request.body"}}
