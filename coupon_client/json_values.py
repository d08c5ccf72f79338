"""Between the API's JSON and the types of results.py."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def result_of(kind: type[T], document: Mapping[str, Any]) -> T:
    """The document as that dataclass; what it does not have becomes None.

    Raises ValueError, TypeError or AttributeError: it is none of the API's.
    """
    hints = get_type_hints(kind)
    return kind(
        **{name: _value(hint, document.get(name.rstrip("_"))) for name, hint in hints.items()}
    )


def page_of(kind: type[T]) -> Callable[[dict[str, Any]], list[T]]:
    """What makes the items of a page, each that dataclass."""
    return lambda page: [result_of(kind, each) for each in page["items"]]


def document_of(result: Any) -> Any:
    """A result as values that JSON has, with the API's names and times."""
    if isinstance(result, datetime):
        return rfc3339(result)
    if is_dataclass(result):
        of = {each.name.rstrip("_"): getattr(result, each.name) for each in fields(result)}
        return document_of(of)
    if isinstance(result, dict):
        return {name: document_of(value) for name, value in result.items()}
    if isinstance(result, list | tuple):
        return [document_of(each) for each in result]
    return result


def rfc3339(moment: datetime) -> str:
    """The moment as the API takes it. Raises ValueError: it has no time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone: give it one, such as datetime.UTC")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _value(hint: Any, value: Any) -> Any:
    if isinstance(hint, UnionType):
        return None if value is None else _value(get_args(hint)[0], value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if hint is int:
        return int(value)
    if is_dataclass(hint):
        return result_of(hint, value)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        return tuple(_value(get_args(hint)[0], each) for each in value)
    if get_origin(hint) is dict and value is not None:
        of = get_args(hint)[1]
        return {name: _value(of, each) for name, each in value.items()}
    if hint is str and not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
