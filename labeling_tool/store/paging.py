"""Pages of long tables, in the order of any column: each begins behind the last row before it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from ..problems import not_found

Key = ColumnElement[Any] | InstrumentedAttribute[Any]
Rows = Select[*tuple[Any, ...]]


def by_letters(column: Key) -> ColumnElement[Any]:
    """What a text is sorted by: without case, and "" where there is none."""
    return func.coalesce(func.lower(column), "")


def page_of(
    session: Session,
    rows: Rows,
    wanted: Rows,
    *,
    key: Key,
    row_id: InstrumentedAttribute[int],
    falling: bool,
    after: int | None,
    size: int,
) -> Rows:
    """Return a page of a table: rows of one key follow each other by their ids.

    Pages neither repeat nor skip a row that stays as it is, whatever is added meanwhile, unless the
    last row of the page before has another key by then: the next page begins where it is now.

    Args:
        session: of a reader.
        rows: all that the reader may see, with what the key needs: a page that began behind another
            row would tell where that one's key stands.
        wanted: the rows that are looked for.
        key: what they are sorted by; never null.
        row_id: the table's own ids.
        falling: whether the largest comes first.
        after: the last row of the page before; None for the first page.
        size: how many rows a page has.

    Raises:
        Problem: 404 where there is no row `after`.
    """
    keys: list[Key] = [row_id] if key is row_id else [key, row_id]
    if after is not None:
        last = session.execute(rows.with_only_columns(*keys).where(row_id == after)).first()
        if last is None:
            raise not_found("row")
        further = [key < last[0] if falling else key > last[0]]
        if key is not row_id:
            beyond = row_id < after if falling else row_id > after
            further.append(and_(key == last[0], beyond))
        wanted = wanted.where(or_(*further))
    return wanted.order_by(*(one.desc() if falling else one.asc() for one in keys)).limit(size)
