"""What Postgres says is told apart: rows that it refuses, and everything that is tried again."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from coupons.errors import LedgerUnavailable, OutcomeUnknown
from coupons.ledger.connection import ROW_ERRORS, connect_ledger, translated
from coupons.ledger.requests import accept_requests
from coupons.model import Admission
from tests.support.databases import Database, Databases
from tests.support.ledger import MakeCoupon

TRIED_AGAIN = [
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.TransactionRollback,
    errors.TransactionIntegrityConstraintViolation,
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.ReadOnlySqlTransaction,
    errors.TransactionTimeout,
    errors.IdleInTransactionSessionTimeout,
    errors.IdleSessionTimeout,
    errors.DiskFull,
    errors.OutOfMemory,
    errors.TooManyConnections,
    errors.ConfigurationLimitExceeded,
    errors.ProgramLimitExceeded,
    errors.IoError,
    errors.UndefinedFile,
    errors.SnapshotTooOld,
    errors.ProtocolViolation,
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.InsufficientPrivilege,
    errors.InvalidSchemaName,
    errors.InvalidCatalogName,
    errors.InvalidPassword,
    errors.FeatureNotSupported,
    errors.DuplicatePreparedStatement,
    errors.InvalidSqlStatementName,
    errors.DataCorrupted,
    errors.IndexCorrupted,
    errors.InternalError_,
    errors.InFailedSqlTransaction,
    psycopg.InterfaceError,
]
REFUSED = [
    errors.CheckViolation,
    errors.UniqueViolation,
    errors.NotNullViolation,
    errors.ForeignKeyViolation,
    errors.ExclusionViolation,
    errors.NumericValueOutOfRange,
    errors.DatetimeFieldOverflow,
    errors.WithCheckOptionViolation,
    errors.RaiseException,
]


@pytest.fixture(scope="module")
def unchanged(databases: Databases) -> Iterator[Database]:
    """For tests that write nothing."""
    with databases.fresh() as made:
        yield made


@pytest.mark.parametrize("kind", TRIED_AGAIN, ids=lambda kind: kind.__name__)
def test_what_is_not_about_the_rows_is_tried_again(
    unchanged: Database, kind: type[psycopg.Error]
) -> None:
    with (
        connect_ledger(unchanged.url("coupon_consumer"), "test") as connection,
        pytest.raises(LedgerUnavailable, match=kind.__name__),
        translated(connection),
    ):
        raise kind("no")


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
def test_what_is_about_the_rows_passes_as_it_is(
    unchanged: Database, kind: type[psycopg.Error]
) -> None:
    with (
        connect_ledger(unchanged.url("coupon_consumer"), "test") as connection,
        pytest.raises(ROW_ERRORS),
        translated(connection),
    ):
        raise kind("no")


def test_a_terminated_session_leaves_the_outcome_unknown(database: Database) -> None:
    with connect_ledger(database.url("coupon_consumer"), "test") as connection:
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            superuser.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        with pytest.raises(OutcomeUnknown), translated(connection):
            connection.execute("SELECT 1")


def test_a_standby_that_only_reads_is_unavailable(
    database: Database, make_coupon: MakeCoupon
) -> None:
    """A standby that only reads is unavailable and its session is given up."""
    coupon = make_coupon()
    with connect_ledger(database.url("coupon_api"), "test") as api:
        api.execute("SET default_transaction_read_only = on")
        with pytest.raises(LedgerUnavailable, match="read-only") as raised:
            accept_requests(api, [Admission(coupon.coupon_id, 1, 1, coupon.gate_epoch, False)])
        assert not isinstance(raised.value, OutcomeUnknown), "nothing was written: that is known"
        assert api.closed
