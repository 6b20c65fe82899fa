// Tables: the names of their columns, and rows in the order of the column that was clicked.

import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";

/** Which column a table is sorted by, and whether the largest comes first. */
export interface Order {
  by: string;
  falling: boolean;
}

/** A column's name, and what it is called in an order; without that it sorts nothing. */
export interface Column {
  name: ComponentChildren;
  by?: string;
}

interface HeadProps {
  columns: (string | Column)[];
  /** null: the order in which the rows came. */
  order?: Order | null;
  onOrder?: (order: Order | null) => void;
}

/** A click sorts, a second one the other way round, a third leaves the rows as they came. */
const clicked = (order: Order | null | undefined, by: string): Order | null => {
  if (order?.by !== by) return { by, falling: false };
  return order.falling ? null : { by, falling: true };
};

/** The names of a table's columns; those that sort are buttons. */
export function Head({ columns, order, onOrder }: HeadProps) {
  return (
    <thead>
      <tr>
        {columns.map((column) => {
          const { name, by } = typeof column === "string" ? { name: column } : column;
          if (by === undefined) return <th scope="col">{name}</th>;
          const direction = order?.falling ? "descending" : "ascending";
          return (
            <th scope="col" aria-sort={order?.by === by ? direction : undefined}>
              <button type="button" class="sort" onClick={() => onOrder?.(clicked(order, by))}>
                {name}
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

type Value = number | string | null | undefined;

/** A column's name, and what its rows are sorted by; without that it sorts nothing. */
export type SortedColumn<Row> = [name: ComponentChildren, value?: (row: Row) => Value];

const letters = new Intl.Collator(undefined, { numeric: true });

/** Rows by a value of theirs; those that have none come last either way. */
export function inOrder<Row>(rows: Row[], value: (row: Row) => Value, falling: boolean): Row[] {
  return [...rows].sort((one, other) => {
    const [a, b] = [value(one) ?? null, value(other) ?? null];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const difference =
      typeof a === "string" ? letters.compare(a, String(b)) : Number(a) - Number(b);
    return falling ? -difference : difference;
  });
}

/** The rows of a table that is here as a whole, as its head says, and that head. */
export function useSorted<Row>(
  rows: Row[],
  columns: SortedColumn<Row>[],
): { sorted: Row[]; head: JSX.Element } {
  const [order, setOrder] = useState<Order | null>(null);
  const value = order ? columns[Number(order.by)]?.[1] : undefined;
  const named = columns.map(([name, by], i) => ({ name, by: by && String(i) }));
  return {
    sorted: order && value ? inOrder(rows, value, order.falling) : rows,
    head: <Head columns={named} order={order} onOrder={setOrder} />,
  };
}

/** Lets through the answer to what was asked last: one to an older question may come after it. */
export function useLatest(): <Answer>(answer: Promise<Answer>) => Promise<Answer> {
  const asked = useRef(0);
  return (answer) => {
    asked.current += 1;
    const mine = asked.current;
    return new Promise((resolve, reject) => {
      const ifLast =
        <Value,>(settle: (value: Value) => void) =>
        (value: Value): void => {
          if (mine === asked.current) settle(value);
        };
      answer.then(ifLast(resolve), ifLast(reject));
    });
  };
}

/** What a server is asked for a table that it sorts; nothing for its own order. */
export const orderQuery = (order: Order | null): Record<string, string> =>
  order ? { sort: order.by, falling: String(order.falling) } : {};
