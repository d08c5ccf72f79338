"""The routes of audiences in the API's description."""

from typing import Any

from api.audience_schemas import AudienceUploadView, AudienceView
from api.authentication import ADMIN
from api.openapi_links import links_to
from api.openapi_parts import (
    COUPON_ID,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    DocumentPart,
    operation,
    response,
)
from api.problems import ProblemType
from api.text_files import CSV, TEXT

LARGEST_OFFSET = 2**53
"""More bytes than any file of a list has."""
_UPLOAD_ID = {
    "name": "upload_id",
    "in": "path",
    "required": True,
    "description": "The id of an upload",
    "schema": {"type": "string", "format": "uuid"},
}
_OFFSET = {
    "name": "Upload-Offset",
    "in": "header",
    "required": True,
    "description": "How many bytes of the file are before this part",
    "schema": {"type": "integer", "minimum": 0, "maximum": LARGEST_OFFSET},
}


def describe_audiences() -> DocumentPart:
    """These routes in the API's description."""
    of_coupon, upload = [COUPON_ID], [COUPON_ID, _UPLOAD_ID]
    uploads = "/coupons/{id}/audience-uploads"
    return DocumentPart(
        {
            "/coupons/{id}/audience": {
                "parameters": of_coupon,
                "get": _read(),
                "delete": _remove(),
            },
            uploads: {"parameters": of_coupon, "post": _begin()},
            f"{uploads}/{{upload_id}}": {
                "parameters": upload,
                "get": _read_upload(),
                "patch": _take(),
            },
            f"{uploads}/{{upload_id}}/finish": {"parameters": upload, "post": _finish()},
        },
        views=(AudienceView, AudienceUploadView),
    )


def _read() -> dict[str, Any]:
    return operation(
        "readAudience",
        "Read who may claim a coupon",
        {"200": response("The audience", AudienceView)},
        (ProblemType.NOT_FOUND, ProblemType.GATE_UNAVAILABLE, *READ_PROBLEMS),
        scope=ADMIN,
    )


def _remove() -> dict[str, Any]:
    return operation(
        "removeAudience",
        "Let everybody claim a coupon again",
        _set(),
        (ProblemType.NOT_FOUND, ProblemType.GATE_UNAVAILABLE, *WRITE_PROBLEMS),
        scope=ADMIN,
    )


def _begin() -> dict[str, Any]:
    begun = response("Begun", AudienceUploadView, "Location", links=_upload_links())
    return operation(
        "beginAudienceUpload",
        "Begin to upload a list of users; an upload before it that was not finished is gone",
        {"201": begun},
        (ProblemType.NOT_FOUND, ProblemType.CLOSED, ProblemType.ARCHIVED, *WRITE_PROBLEMS),
        scope=ADMIN,
    )


def _read_upload() -> dict[str, Any]:
    return operation(
        "readAudienceUpload",
        "Read how far an upload has come",
        {"200": response("The upload", AudienceUploadView)},
        (ProblemType.NOT_FOUND, *READ_PROBLEMS),
        scope=ADMIN,
    )


def _take() -> dict[str, Any]:
    described = operation(
        "uploadAudience",
        "Upload a part of a file of users",
        {"200": response("Taken, but for the lines that are named", AudienceUploadView)},
        (
            ProblemType.MALFORMED_REQUEST,
            ProblemType.NOT_FOUND,
            ProblemType.BODY_TIMEOUT,
            ProblemType.UPLOAD_OFFSET,
            ProblemType.BODY_TOO_LARGE,
            ProblemType.NOT_TEXT,
            ProblemType.INVALID,
            ProblemType.OVERLOADED,
            *WRITE_PROBLEMS,
        ),
        scope=ADMIN,
        headers=[_OFFSET],
    )
    content = {"schema": {"type": "string", "description": "One user id a line"}}
    described["requestBody"] = {
        "required": True,
        "description": f"`{CSV}` takes the parameter `header=present` or `header=absent`. Without"
        " it, a first line `user_id`, `user` or `id` is the header",
        "content": {TEXT: content, CSV: content},
    }
    return described


def _finish() -> dict[str, Any]:
    return operation(
        "finishAudienceUpload",
        "Make an upload the audience of a coupon",
        _set(),
        (
            ProblemType.NOT_FOUND,
            ProblemType.CLOSED,
            ProblemType.ARCHIVED,
            ProblemType.EMPTY_AUDIENCE,
            ProblemType.UPLOAD_OFFSET,
            ProblemType.BODY_TOO_LARGE,
            ProblemType.INVALID,
            ProblemType.GATE_UNAVAILABLE,
            *WRITE_PROBLEMS,
        ),
        scope=ADMIN,
    )


def _set() -> dict[str, Any]:
    later = (
        "Changed in the ledger, for good. The gate does not have it yet, or does not have the"
        " coupon; it gets it by itself: nothing has to be repeated"
    )
    return {
        "200": response("The audience, which is effective", AudienceView),
        "202": response(later, AudienceView),
    }


def _upload_links() -> dict[str, Any]:
    names = ("readAudienceUpload", "uploadAudience", "finishAudienceUpload")
    of = {"id": "$request.path.id", "upload_id": "$response.body#/id"}
    return links_to(*names, **of)
