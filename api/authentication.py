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

    def caller(self, request: Request, scope: str | None = None) -> Caller:
        """The caller, who must have `scope` if one is given. Raises Problem (401 or 403)."""
        return self.caller_by(request.environ.get("HTTP_AUTHORIZATION", ""), scope)

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
            raise Problem(
                ProblemType.INSUFFICIENT_SCOPE,
                f"This requires a token with the scope {scope}.",
                {"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            )
        return caller


def _unauthenticated(detail: str, challenge: str = ' error="invalid_token"') -> Problem:
    return Problem(ProblemType.UNAUTHENTICATED, detail, {"www-authenticate": f"Bearer{challenge}"})
