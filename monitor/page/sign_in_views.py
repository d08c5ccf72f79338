"""The pages to sign in and out."""

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from monitor.page import session
from monitor.page.sign_in import SignIn, SignInRefused


class SignInViews:
    """/sign-in, /sign-in/CODE, /sign-out."""

    def __init__(self, ways: SignIn) -> None:
        self._ways = ways

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("sign_in", __name__)
        routes.get("/sign-in")(self.show)
        routes.get("/sign-in/<code>")(self.show_link)
        routes.post("/sign-in")(self.sign_in)
        routes.post("/sign-out")(self.sign_out)
        return routes

    def show(self) -> str:
        """How to sign in."""
        return self._page()

    def show_link(self, code: str) -> str | tuple[str, int]:
        """Whom the link signs in. A button uses it up: programs that look ahead open links too."""
        try:
            return self._page(code=code, link=self._ways.link_of(code))
        except SignInRefused as error:
            return self._page(refused=str(error)), 403

    def sign_in(self) -> Response | tuple[str, int]:
        """By a code or a token."""
        code, token = request.form.get("code", ""), request.form.get("token", "")
        try:
            found = self._ways.by_link(code) if code else self._ways.by_token(token)
        except SignInRefused as error:
            return self._page(refused=str(error)), 403
        after = session.page_after_sign_in()
        session.sign_in(found)
        return redirect(after, 303)

    def sign_out(self) -> Response:
        """Whoever is signed in."""
        session.sign_out()
        return redirect("/sign-in", 303)

    def _page(self, **more: object) -> str:
        given = {"code": None, "link": None, "refused": None, **more}
        return render_template("sign_in.html", ways=self._ways, is_over=session.is_over(), **given)
