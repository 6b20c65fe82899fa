// The table of tasks: found by state, person and source; assigned, taken away, put first, left out.

import { useEffect, useState } from "preact/hooks";
import { get, patch, post } from "../../api";
import { Button, Link, ScrollBox, Search, TYPING_MS, when } from "../../parts";
import { errorText, say, sayError } from "../../session";
import { Head, type Order, orderQuery, useLatest } from "../../tables";
import { useLoaded } from "../Problems";
import { Frame } from "./Frame";

interface TaskRow {
  id: number;
  state: string;
  needed: number;
  priority: number;
  frames: number;
  gain: number;
  source: string;
  people: { id: number; who: string; state: string; created_ms: number; seq: number }[];
}

interface Page {
  tasks: TaskRow[];
  total: number;
  next: number | null;
}

const STATES: [string, string][] = [
  ["all", "all"],
  ["open", "nobody has it"],
  ["in_work", "in work"],
  ["returned", "returned"],
  ["done", "done"],
  ["gold", "gold"],
  ["excluded", "excluded"],
];
const FINISHED = ["submitted", "approved"];

export function Tasks({ id }: { id: number }) {
  return (
    <Frame id={id} here="tasks">
      {() => <Table id={id} />}
    </Frame>
  );
}

function Table({ id }: { id: number }) {
  const where = `/api/projects/${id}/tasks`;
  const { data: labellers, error } = useLoaded<{ id: number; name: string }[]>(
    `/api/projects/${id}/labellers`,
  );
  const [state, setState] = useState("all");
  const [user, setUser] = useState("");
  const [text, setText] = useState("");
  const [order, setOrder] = useState<Order | null>(null);
  const [page, setPage] = useState<Page | null>(null);
  const [chosen, setChosen] = useState(new Set<number>());
  const latest = useLatest();
  const load = (after?: number): void => {
    const query = new URLSearchParams({ state, text, ...orderQuery(order) });
    if (user) query.set("user", user);
    if (after) query.set("after", String(after));
    void latest(get<Page>(`${where}?${query}`))
      .then((found) =>
        setPage((old) =>
          after && old ? { ...found, tasks: [...old.tasks, ...found.tasks] } : found,
        ),
      )
      .catch(sayError);
  };
  useEffect(() => {
    const timer = window.setTimeout(load, TYPING_MS);
    setChosen(new Set());
    return () => window.clearTimeout(timer);
  }, [state, user, text, order]);
  if (error) return <p role="alert">{errorText(error)}</p>;
  if (!labellers || !page) return <div aria-busy="true" />;
  const change = (values: object): void =>
    void patch<{ tasks: number }>(where, { tasks: [...chosen], ...values })
      .then(({ tasks }) => {
        say(`${tasks} tasks changed`);
        load();
      })
      .catch(sayError);
  const choose = (task: number, isChosen: boolean): void => {
    const next = new Set(chosen);
    if (isChosen) next.add(task);
    else next.delete(task);
    setChosen(next);
  };
  const all = page.tasks.length > 0 && page.tasks.every((task) => chosen.has(task.id));
  return (
    <section class="panel">
      <div class="row wrap">
        <h2>
          Tasks <span class="muted">{page.total.toLocaleString()}</span>
        </h2>
        <label class="inline">
          State{" "}
          <select class="input" value={state} onChange={(e) => setState(e.currentTarget.value)}>
            {STATES.map(([value, name]) => (
              <option value={value}>{name}</option>
            ))}
          </select>
        </label>
        <label class="inline">
          Person{" "}
          <select class="input" value={user} onChange={(e) => setUser(e.currentTarget.value)}>
            <option value="">anybody</option>
            {labellers.map((person) => (
              <option value={person.id}>{person.name}</option>
            ))}
          </select>
        </label>
        <Search label="Source" text={text} onText={setText} />
      </div>
      <fieldset class="row wrap" disabled={!chosen.size}>
        <legend>{chosen.size} chosen</legend>
        <label class="inline">
          Assign to{" "}
          <select
            class="input"
            value=""
            onChange={(e) => change({ assign: Number(e.currentTarget.value) })}
          >
            <option value="">…</option>
            {labellers.map((person) => (
              <option value={person.id}>{person.name}</option>
            ))}
          </select>
        </label>
        <Button onClick={() => change({ priority: 10 })}>Put first</Button>
        <Button onClick={() => change({ priority: 0 })}>In the usual order</Button>
        <Button onClick={() => change({ excluded: true })}>Exclude</Button>
        <Button onClick={() => change({ excluded: false })}>Take back in</Button>
      </fieldset>
      <ScrollBox label="Tasks">
        <table class="compact">
          <Head
            columns={[
              {
                name: (
                  <input
                    type="checkbox"
                    aria-label="Choose all that are shown"
                    checked={all}
                    onChange={() =>
                      setChosen(new Set(all ? [] : page.tasks.map((task) => task.id)))
                    }
                  />
                ),
              },
              { name: "Task", by: "id" },
              { name: "Source", by: "source" },
              { name: "Frames", by: "frames" },
              { name: "Expected wrong", by: "gain" },
              { name: "State", by: "state" },
              "People",
            ]}
            order={order}
            onOrder={setOrder}
          />
          <tbody>
            {page.tasks.map((task) => (
              <tr key={task.id} data-task={task.id}>
                <td>
                  <input
                    type="checkbox"
                    aria-label={`Choose task ${task.id}`}
                    checked={chosen.has(task.id)}
                    onChange={(e) => choose(task.id, e.currentTarget.checked)}
                  />
                </td>
                <th scope="row">#{task.id}</th>
                <td>{task.source}</td>
                <td>{task.frames}</td>
                <td>{task.gain}</td>
                <td>
                  {task.state}
                  {task.priority > 0 ? " · first" : ""}
                </td>
                <td>
                  <Holders task={task} onChanged={() => load()} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollBox>
      {page.tasks.length ? null : <p class="muted">No task is like that.</p>}
      {page.next ? <Button onClick={() => load(page.next!)}>More</Button> : null}
    </section>
  );
}

/** Who has a task, since when, and how far they are. */
function Holders({ task, onChanged }: { task: TaskRow; onChanged: () => void }) {
  const take = (assignment: number): void =>
    void post(`/api/assignments/${assignment}/take-away`).then(onChanged).catch(sayError);
  if (!task.people.length) return <span class="muted">nobody</span>;
  return (
    <div class="row wrap">
      {task.people.map((row) => (
        <span key={row.id}>
          <Link to={`/work/${row.id}`}>{row.who}</Link>{" "}
          <span class="muted">
            {row.state}
            {FINISHED.includes(row.state) ? "" : ` since ${when(row.created_ms)}, ${row.seq} edits`}
          </span>{" "}
          {FINISHED.includes(row.state) ? null : (
            <Button kind="quiet" onClick={() => take(row.id)}>
              Take away
            </Button>
          )}
        </span>
      ))}
    </div>
  );
}
