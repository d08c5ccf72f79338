"""Which codes a coupon has, and who has them: a set and a dict in place of a table."""

from dataclasses import dataclass, field

from coupons.codes import CodeKind, has_made_form, is_mistyped, key_of


@dataclass
class ExpectedCodes:
    """The codes of one coupon. free: those of its pool that nobody has. given: by user."""

    kind: CodeKind = CodeKind.NONE
    free: set[str] = field(default_factory=set)
    given: dict[int, str] = field(default_factory=dict)

    @property
    def all(self) -> set[str]:
        """Those of its pool, or the made ones."""
        return self.free | set(self.given.values())

    @property
    def pool_size(self) -> int:
        """How many its pool has, given ones too."""
        return len(self.all) if self.kind is CodeKind.POOL else 0

    def choose(self, kind: CodeKind) -> str:
        """What an administrator is answered who chooses their kind."""
        if kind is not self.kind and self.all:
            return "exist"
        self.kind = kind
        return "done"

    def remove(self) -> tuple[str, int]:
        """The same of who removes the free ones."""
        if self.kind is not CodeKind.POOL:
            return "other_kind", 0
        removed = len(self.free)
        self.free = set()
        return "done", removed

    def refuse(self, user_id: int, state: str | None) -> str | None:
        """Why a user gets no code; state: of the issued coupon, None: there is none."""
        if state is None:
            return "not_found"
        if user_id in self.given:
            return None
        if state in ("expired", "revoked"):
            return state
        if self.kind is CodeKind.NONE:
            return "none"
        return "exhausted" if self.kind is CodeKind.POOL and not self.free else None

    def give(self, user_id: int, code: str, others: set[str]) -> None:
        """The user was given this code. others: all codes that are there, of every coupon."""
        if user_id in self.given:
            assert code == self.given[user_id], "it is another one than before"
            return
        if self.kind is CodeKind.POOL:
            assert code in self.free, f"{code} is not free"
            self.free.remove(code)
        else:
            assert code not in others
            assert has_made_form(key_of(code))
            assert not is_mistyped(key_of(code))
        self.given[user_id] = code

    def erase(self, user_id: int, nobody: int) -> None:
        """The code stays given."""
        if user_id in self.given:
            self.given[nobody] = self.given.pop(user_id)
