"""Problems of claims that may have been admitted or written."""

from api.problems import Problem, ProblemType


def gate_unavailable(possible: str) -> Problem:
    return Problem(
        ProblemType.GATE_UNAVAILABLE,
        "Redis cannot be used now. The claim may have been admitted, and may become a request."
        " Claim again, which is harmless, or read the request later.",
        {"location": f"/issue-requests/{possible}"},
        request_id=possible,
    )


def outcome_unknown(pending: str) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        "It is unknown whether Postgres accepted the claim. This will be settled: read the"
        " request, or claim again, which is harmless.",
        {"location": f"/issue-requests/{pending}"},
        request_id=pending,
    )
