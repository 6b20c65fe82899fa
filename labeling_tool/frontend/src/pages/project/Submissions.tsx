// The work that came in, for those who review it.

import { useEffect, useState } from "preact/hooks";
import { get } from "../../api";
import { Button, duration, Link, ScrollBox, Search, TYPING_MS, when } from "../../parts";
import { sayError } from "../../session";
import { Head, type Order, orderQuery, useLatest } from "../../tables";
import { startReview } from "../Home";

interface Submission {
  id: number;
  task_id: number;
  who: string;
  source: string;
  frames: number;
  state: string;
  operations: number;
  corrections: number;
  active_ms: number;
  submitted_ms: number;
  served: string;
}

const COLUMNS = [
  { name: "Task", by: "task" },
  { name: "By", by: "who" },
  { name: "Source", by: "source" },
  { name: "Frames", by: "frames" },
  { name: "Edits", by: "edits" },
  { name: "Time", by: "time" },
  { name: "Submitted", by: "submitted" },
  { name: "State", by: "state" },
];

export function Submissions({ id }: { id: number }) {
  const [state, setState] = useState("submitted");
  const [rows, setRows] = useState<Submission[]>([]);
  const [next, setNext] = useState<number | null>(null);
  const [text, setText] = useState("");
  const [order, setOrder] = useState<Order | null>(null);
  const latest = useLatest();
  const load = (before?: number): void => {
    const query = new URLSearchParams({ state, text, ...orderQuery(order) });
    if (before) query.set("before", String(before));
    void latest(
      get<{ submissions: Submission[]; next: number | null }>(
        `/api/projects/${id}/submissions?${query}`,
      ),
    )
      .then((page) => {
        setRows((old) => (before ? [...old, ...page.submissions] : page.submissions));
        setNext(page.next);
      })
      .catch(sayError);
  };
  useEffect(() => {
    const timer = window.setTimeout(load, text ? TYPING_MS : 0);
    return () => window.clearTimeout(timer);
  }, [id, state, text, order]);
  return (
    <section class="panel">
      <div class="row wrap">
        <h2>Work that came in</h2>
        <span class="grow" />
        <Button kind="primary" id="review" onClick={() => void startReview(id)}>
          Review, one after the other
        </Button>
        <label class="inline">
          Show{" "}
          <select class="input" value={state} onChange={(e) => setState(e.currentTarget.value)}>
            <option value="submitted">to review</option>
            <option value="approved">approved</option>
            <option value="returned">returned</option>
            <option value="all">all</option>
          </select>
        </label>
        <Search label="By or source" text={text} onText={setText} />
      </div>
      {rows.length ? (
        <ScrollBox label="Submissions">
          <table class="compact">
            <Head columns={COLUMNS} order={order} onOrder={setOrder} />
            <tbody>
              {rows.map((row) => (
                <tr key={row.id}>
                  <th scope="row">
                    <Link to={`/work/${row.id}`}>#{row.task_id}</Link>
                  </th>
                  <td>{row.who}</td>
                  <td>{row.source}</td>
                  <td>{row.frames}</td>
                  <td>
                    {row.operations}
                    {row.corrections ? ` (${row.corrections} by reviewers)` : ""}
                  </td>
                  <td>{duration(row.active_ms / 1000)}</td>
                  <td>{when(row.submitted_ms)}</td>
                  <td>{row.state}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      ) : (
        <p class="muted">Nothing here.</p>
      )}
      {next ? <Button onClick={() => load(next)}>More</Button> : null}
    </section>
  );
}
