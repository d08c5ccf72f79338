"""Who calls: the bearer token of a request, and the scope that a route asks for."""

from flask import Request

from api.problems import Problem, ProblemType
from coupons.process.bearer import Caller, InvalidToken, TokenVerifier
from coupons.tokens import SCOPES

ISSUE, ADMIN, OPS, REDEEM = SCOPES


class Authenticator:
    """Finds the caller of a request."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def caller(self, request: Request, *scopes: str) -> Caller:
        """The caller, who must have one of `scopes` if any is given. Raises Problem (401, 403).

        Raises KeysUnavailable when the token may be valid.
        """
        caller = self.caller_by(request.environ.get("HTTP_AUTHORIZATION", ""), None)
        if scopes and caller.scopes.isdisjoint(scopes):
            raise _insufficient(*scopes)
        return caller

    def caller_by(self, authorization: str, scope: str | None) -> Caller:
        """The same by the value of the header Authorization; empty: it was not sent."""
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token:
            raise _unauthenticated("Send the header Authorization: Bearer <token>.", challenge="")
        try:
            caller = self._verifier.verify(token.strip())
        except InvalidToken as error:
            raise _unauthenticated(str(error)) from None
        if scope is not None and scope not in caller.scopes:
            raise _insufficient(scope)
        return caller


def _insufficient(*scopes: str) -> Problem:
    return Problem(
        ProblemType.INSUFFICIENT_SCOPE,
        f"This requires a token with the scope {' or '.join(scopes)}.",
        {"www-authenticate": f'Bearer error="insufficient_scope", scope="{scopes[0]}"'},
    )


def _unauthenticated(detail: str, challenge: str = ' error="invalid_token"') -> Problem:
    return Problem(ProblemType.UNAUTHENTICATED, detail, {"www-authenticate": f"Bearer{challenge}"})
