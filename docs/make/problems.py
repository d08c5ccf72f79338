"""The reference of the API's problem types, from api/problems.py."""

from api.problems import INSTANCE_PREFIX, TYPE_PREFIX, ProblemType
from docs.make.markdown import table

HEAD = f"""# Problem types

Every error of the API is a JSON document of the type `application/problem+json` (RFC 9457).

| member | meaning |
| --- | --- |
| `type` | `{TYPE_PREFIX}` and one of the names below; the names do not change |
| `title` | one line about the type |
| `status` | the HTTP status |
| `detail` | what happened, to what, and what to do |
| `instance` | `{INSTANCE_PREFIX}` and the `X-Request-Id` of this HTTP request |
| `reason` | of a refused claim: the reason, with an underscore (`sold_out`) |
| `opens_at` | of `not-open`: when the coupon opens, as the gate knew it at most a second ago |
| `turn_at` | of `not-your-turn`: from when the user may claim; null: not known yet |
| `request_id` | of a claim that may have been accepted, and of `requested`: the issue request |
| `violated-policies` | of `too-many-claims`: the limits that are exceeded, `user` or `address` |
| `errors` | of `invalid`: a list of `field` and `message`, the first ten |

Every answer with status 429 or 503 has a `Retry-After` header. **It is always safe to claim
again.**

*Generated from `api/problems.py` by `make docs`. A test compares the two.*

"""

MEANINGS = {
    "malformed-json": "The body is not JSON.",
    "malformed-request": "The request cannot be understood.",
    "unauthenticated": "There is no token, or it is expired, forged or meant for another audience.",
    "insufficient-scope": "The token is valid and does not allow this call.",
    "not-eligible": "The coupon is for a group or for a list, and the user is not in it.",
    "not-found": "There is nothing at this path, or it is not yours.",
    "receipts-off": "The API has no key that signs receipts (`COUPON_RECEIPT_KEY_FILE`).",
    "method-not-allowed": "The path exists and does not take this method.",
    "body-timeout": "The body did not arrive in time. Nothing was done.",
    "not-open": "The claim is refused: the coupon opens later.",
    "closed": "The claim is refused: the coupon has ended.",
    "paused": "The claim is refused: an administrator paused the coupon.",
    "archived": "An archived coupon cannot be changed, for good.",
    "retired": "The request or issued coupon belonged to a coupon whose rows are in files of the"
    " operator now: no call brings it back. Nothing of such a coupon changes.",
    "not-closed": "Only a closed coupon can be archived.",
    "in-flight": "Requests of the coupon are admitted or accepted and not final yet, so that it"
    " cannot be archived. Nothing was changed. Repeat it when they are.",
    "user-in-flight": "A request of the user is not final, a coupon of theirs is being rebuilt, or"
    " the gate of any coupon is unavailable, so that nobody knows whether they are claiming it."
    " Nothing was erased. Repeat it; if it stays so, `coupon gate status` says why.",
    "rehearsal": "The group of a rehearsal keeps users out, and stays. An operator can purge it; a"
    " coupon that is no rehearsal never becomes one.",
    "draft": 'The state of a draft changes by opening it only: `PATCH` with `{"state": "open"}`.'
    " Nothing was changed.",
    "not-draft": "Only a draft can be discarded: the coupon was opened before. Close it, and archive"
    " it. Nothing was changed.",
    "upload-running": "Codes or users of the draft are being uploaded. Nothing was discarded: repeat"
    " it when the upload has ended.",
    "sold-out": "The claim is refused: no coupon is left.",
    "not-your-turn": "The claim is refused: the coupon has a waiting room, and the user has not"
    " arrived in it, or has to wait. `turn_at` says until when, if that is known.",
    "no-waiting-room": "The coupon has no waiting room: claim it directly.",
    "waiting-room-fixed": "A waiting room begins before the coupon opens. After that, nobody's turn"
    " can come later or in another order. Nothing was changed.",
    "idempotency-key-in-progress": "Another call of yours with the same `Idempotency-Key` is being"
    " carried out. Nothing was done by this one. Repeat it.",
    "not-sold-out": "Nobody waits for the coupon, and it is not sold out: claim it.",
    "no-standby-list": "Users cannot wait for this coupon: an administrator has not switched that"
    " on, or has switched it off.",
    "requested": "The user has a request for this coupon, so that there is nothing to wait for or to"
    " leave. `Location` and `request_id` name it.",
    "id-taken": "A coupon with this id exists already, or existed as a draft that was discarded.",
    "stock-below-issued": "The new total is below what is issued already.",
    "stock-below-in-flight": "The new total is below what is issued and what is accepted and not"
    " final yet. Nothing was changed.",
    "validity-shortened": "Somebody has the coupon, so that it cannot become valid for a shorter"
    " time. Nothing was changed.",
    "precondition-failed": "The coupon has another `ETag` than `If-Match` names: somebody changed it"
    " after you read it. `detail` says who, when and what, if the audit trail knows it. Nothing was"
    " changed. Read it again.",
    "coupon-used": "The issued coupon is used, by another order. To revoke it, cancel the use"
    " first.",
    "coupon-not-used": "There is no use to cancel.",
    "other-order": "The use that should be cancelled is another order's. Nothing was cancelled.",
    "order-cancelled": "This order has used the coupon and cancelled that. A new order has another"
    " reference.",
    "coupon-expired": "The issued coupon's time is over. Also: a coupon's `valid_until` has"
    " passed and somebody has it, so that it cannot change any more.",
    "coupon-revoked": "Staff has revoked the issued coupon. Its `reason` says why.",
    "no-codes": "The coupon has no codes. It is used without one.",
    "codes-exhausted": "Every code of the pool is given. Nothing was done; more can be uploaded.",
    "codes-exist": "The coupon has codes already, so that their kind cannot change any more.",
    "codes-busy": "Codes of this coupon are being given, or an upload is running, of any coupon."
    " Nothing was done. Wait as long as `Retry-After` says, and call again.",
    "upload-offset": "The part does not begin where the upload goes on. `offset` says where that is,"
    " if it is not null; else read the upload.",
    "empty-audience": "No line of the upload was a user. Nothing was done: nobody could claim.",
    "no-pool": "Codes are uploaded to a coupon whose codes do not come from a pool.",
    "body-too-large": "The body is larger than the limit.",
    "uri-too-long": "The path or the query string is longer than the limit.",
    "not-json": "The body has another content type than `application/json`.",
    "not-text": "The file of codes is neither `text/plain` nor `text/csv`, or is compressed, or its"
    " parameter `header` is neither `present` nor `absent`.",
    "invalid": "Unknown fields, wrong types or values out of range. `errors` names them.",
    "idempotency-key-reused": "You used this `Idempotency-Key` for a coupon that was defined"
    " otherwise. Nothing was done.",
    "precondition-required": "A `PATCH` needs the header `If-Match` with the `ETag` of the coupon"
    " that you have read.",
    "too-many-claims": "More claims of this user, or from this address, than a rate limit allows"
    " (`COUPON_API_CLAIMS_PER_USER`, `COUPON_API_CLAIMS_PER_ADDRESS`). Nothing was accepted, and the"
    " claim was not counted.",
    "headers-too-large": "There are more or larger headers than the limit allows.",
    "internal": "The API has a fault. Its log has the error.",
    "gate-closed": "The gate of this coupon is unavailable until it is rebuilt."
    " Nothing was accepted.",
    "gate-unavailable": "Redis did not answer, or takes no writes (out of memory, a replica)."
    " The claim may have been admitted; `request_id` names it.",
    "keys-unavailable": "The key set of the token's issuer cannot be read, or is being read because"
    " of a new key. The token may be valid. Nothing was done. Try again.",
    "ledger-unavailable": "Postgres cannot be reached or cannot write (a read-only standby, a full"
    " disk). Nothing was accepted.",
    "outcome-unknown": "The connection was lost during the commit, or no standby confirmed it: the"
    " call may have been carried out. For a claim, `Location` names the request, and claiming again"
    " returns the same one. A change may be repeated: `precondition-failed` then says that it was"
    " made. The use of an issued coupon may be repeated by the same order. For a new coupon, repeat"
    " the call with the same `Idempotency-Key` or the same `id`: `id-taken` then says that it was"
    " created. Without both, a repeat may create a second coupon.",
    "overloaded": "More claims or changes of issued coupons come than can be made, one was not"
    " reached in time, too many uploads or an erasure are running, or too many claims of coupons"
    " that the gate does not have are looked up. Nothing was done. Try again.",
}


def render() -> str:
    """The page. Raises KeyError for a type without a meaning."""
    rows = [
        (f"`{kind.value.name}`", kind.value.status, kind.value.title, MEANINGS[kind.value.name])
        for kind in ProblemType
    ]
    return HEAD + table(["name", "status", "title", "meaning"], rows)
