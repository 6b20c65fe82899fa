// How good the labels are: every number with its interval, and the work that it was made of.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../../api";
import { Button, Dialog, Link, ScrollBox } from "../../parts";
import { signOf } from "../../review/axes";
import { errorText } from "../../session";
import { useSorted } from "../../tables";
import { useLoaded } from "../Problems";
import { Frame } from "./Frame";

interface Value {
  value: number | null;
  interval: [number, number] | null;
  tasks: number;
  items: number[];
}

interface Pace {
  name: string;
  day: string;
  tasks: number;
  hours: number;
  frames_per_hour: number | null;
  accuracy: number | null;
}

interface Report {
  /** Whether newer work is being counted: what is here, if anything, was so before it. */
  counting: boolean;
  labels: { label: string; alpha: Value; event_f1: Value | null }[];
  /** The difference is in the axis' unit, whatever its name says. */
  camera: { axis: string; unit: string; error_deg: Value }[];
  pairs: { people: string[]; kappa: Value }[];
  people: {
    name: string;
    accuracy: Value;
    tasks: number;
    hours: number;
    frames_per_hour: number | null;
  }[];
  pace: Pace[];
  calibration: { from: number; to: number; cells: number; model: number; people: Value }[];
  disputes: {
    task: number;
    source: string;
    assignments: number[];
    people: string[];
    different: number;
    settled: boolean;
  }[];
  effort: {
    hours: number;
    frames: number;
    frames_to_go: number;
    hours_to_go: number | null;
    cost: number | null;
    cost_to_go: number | null;
  };
}

type Open = (title: string, items: number[]) => void;

const number = (value: number | null, digits = 1): string =>
  value === null
    ? "–"
    : value.toLocaleString(undefined, {
        minimumFractionDigits: digits,
        maximumFractionDigits: digits,
      });
const percent = (value: number | null): string =>
  value === null ? "–" : `${number(100 * value, 1)} %`;
const two = (value: number | null): string => number(value, 2);

/** A number, its interval, and a button that opens what it was made of, the worst first. */
function Cell(props: {
  of: Value | null;
  title: string;
  open: Open;
  text?: (v: number | null) => string;
}) {
  if (!props.of?.tasks) return <span class="muted">–</span>;
  const { value, interval, tasks, items } = props.of;
  const text = props.text ?? two;
  return (
    <span class="figure">
      <b>{text(value)}</b>{" "}
      {interval ? (
        <span class="muted">
          {text(interval[0])}–{text(interval[1])}
        </span>
      ) : null}{" "}
      <Button kind="quiet" onClick={() => props.open(props.title, items)}>
        {tasks === 1 ? "1 task" : `${tasks} tasks`}
      </Button>
    </span>
  );
}

interface Column<Row> {
  name: string;
  show: (row: Row) => ComponentChildren;
  /** What rows are sorted by: the text that is shown, unless given; null for nothing. */
  by?: ((row: Row) => number | string | null) | null;
}

interface TableProps<Row> {
  id: number;
  name: string;
  title: string;
  help: string;
  empty: string;
  rows: Row[];
  columns: Column<Row>[];
}

const AGAIN_MS = 1000;
const FEW = 100; // rows that are drawn unasked: pairs of a hundred people are thousands

function Table<Row>({ id, name, title, help, empty, rows, columns }: TableProps<Row>) {
  const [all, setAll] = useState(false);
  const { sorted, head } = useSorted(
    rows,
    columns.map(({ name, show, by = (row) => String(show(row)) }) => [name, by ?? undefined]),
  );
  const shown = all ? sorted : sorted.slice(0, FEW);
  const [first, ...others] = columns;
  return (
    <section class="panel" data-table={name}>
      <div class="row">
        <h2>{title}</h2>
        <span class="grow" />
        {rows.length ? (
          <a class="button" href={`/api/projects/${id}/quality/${name}.csv`} download>
            CSV
          </a>
        ) : null}
      </div>
      <p class="muted">{help}</p>
      {rows.length ? (
        <ScrollBox label={title}>
          <table class="compact">
            {head}
            <tbody>
              {shown.map((row) => (
                <tr>
                  <th scope="row">{first.show(row)}</th>
                  {others.map((column) => (
                    <td>{column.show(row)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      ) : (
        <p>{empty}</p>
      )}
      {shown.length < rows.length ? (
        <Button onClick={() => setAll(true)}>All {rows.length.toLocaleString()}</Button>
      ) : null}
    </section>
  );
}

const NO_OVERLAP =
  "Nothing to compare yet: let several people label a task (Rules, people a task).";

export function Quality({ id }: { id: number }) {
  return (
    <Frame id={id} here="quality">
      {() => <Tables id={id} />}
    </Frame>
  );
}

function Tables({ id }: { id: number }) {
  const { data: report, error, load } = useLoaded<Report>(`/api/projects/${id}/quality`);
  useEffect(() => {
    // A server that starts anew is asked again; one that refuses is not.
    if (!report?.counting || (error instanceof ApiError && !error.offline)) return;
    const timer = window.setTimeout(load, AGAIN_MS);
    return () => window.clearTimeout(timer);
  }, [report, error]);
  const [shown, setShown] = useState<{ title: string; items: number[] } | null>(null);
  if (!report) return error ? <p role="alert">{errorText(error)}</p> : <div aria-busy="true" />;
  if (!report.effort) return <p role="status">The work is being counted…</p>;
  const open: Open = (title, items) => setShown({ title, items });
  const { effort } = report;
  const compared = report.labels.filter((row) => row.alpha.tasks);
  const days = new Map<string, Pace[]>();
  for (const day of report.pace) days.set(day.name, [...(days.get(day.name) ?? []), day]);
  return (
    <>
      <section class="panel">
        <div class="row">
          <h2>Effort</h2>
          <span class="muted" role="status">
            {report.counting ? "Newer work is being counted…" : ""}
          </span>
        </div>
        <dl class="facts">
          <Fact name="hours worked" value={number(effort.hours)} />
          <Fact name="hours to go" value={number(effort.hours_to_go)} />
          <Fact name="frames done" value={effort.frames.toLocaleString()} />
          <Fact name="frames to go" value={effort.frames_to_go.toLocaleString()} />
          {effort.cost === null ? null : (
            <>
              <Fact name="cost so far" value={number(effort.cost, 2)} />
              <Fact name="cost to go" value={number(effort.cost_to_go, 2)} />
            </>
          )}
        </dl>
      </section>
      <Table
        {...{ id, name: "labels", title: "Agreement, a label" }}
        help={
          "Krippendorff's α over all answers, and the F1 of presses and releases at most two " +
          "ticks apart. Grey: 95 % intervals."
        }
        empty={NO_OVERLAP}
        rows={compared}
        columns={[
          { name: "Label", show: (row) => row.label },
          {
            name: "α",
            show: (row) => <Cell of={row.alpha} title={`α of ${row.label}`} open={open} />,
            by: (row) => row.alpha.value,
          },
          {
            name: "Event F1",
            show: (row) => <Cell of={row.event_f1} title={`Events of ${row.label}`} open={open} />,
            by: (row) => row.event_f1?.value ?? null,
          },
        ]}
      />
      {report.camera.some((row) => row.error_deg.tasks) ? (
        <Table
          {...{ id, name: "camera", title: "Axes", empty: "" }}
          help={
            "Mean difference between two people's answers in a frame: degrees of the camera, " +
            "notches of a wheel; of sticks, triggers and the pointer where they stand."
          }
          rows={report.camera}
          columns={[
            { name: "Axis", show: (row) => row.axis },
            {
              name: "Difference",
              show: (row) => (
                <Cell
                  of={row.error_deg}
                  title={row.axis}
                  open={open}
                  text={(v) => `${two(v)}${signOf(row.unit)}`}
                />
              ),
              by: (row) => row.error_deg.value,
            },
          ]}
        />
      ) : null}
      <Table
        {...{ id, name: "pairs", title: "Agreement, two people" }}
        help="Cohen's κ over all labels of the tasks that both have answered."
        empty={NO_OVERLAP}
        rows={report.pairs}
        columns={[
          { name: "People", show: (row) => row.people.join(", ") },
          {
            name: "κ",
            show: (row) => <Cell of={row.kappa} title={row.people.join(" and ")} open={open} />,
            by: (row) => row.kappa.value,
          },
        ]}
      />
      <Table
        {...{ id, name: "disputes", title: "Answers that differ" }}
        help="The most different first. Opened, they stand side by side."
        empty="None."
        rows={report.disputes}
        columns={[
          { name: "Task", show: (row) => `#${row.task}`, by: (row) => row.task },
          { name: "Source", show: (row) => row.source },
          { name: "People", show: (row) => row.people.join(", ") },
          { name: "Different", show: (row) => percent(row.different), by: (row) => row.different },
          { name: "State", show: (row) => (row.settled ? "settled" : "open") },
          {
            name: "Side by side",
            show: (row) => (
              <Link to={`/work/${row.assignments[0]}`} class="button">
                Compare
              </Link>
            ),
            by: null,
          },
        ]}
      />
      <Table
        {...{ id, name: "people", title: "People" }}
        help={
          "Accuracy on gold tasks: of the cells that the known answer, the model or the person " +
          "holds, those that are right."
        }
        empty="Nobody has submitted anything yet."
        rows={report.people}
        columns={[
          { name: "Name", show: (row) => row.name },
          {
            name: "Accuracy on gold",
            show: (row) => (
              <Cell of={row.accuracy} title={`${row.name} on gold`} open={open} text={percent} />
            ),
            by: (row) => row.accuracy.value,
          },
          { name: "Tasks", show: (row) => String(row.tasks), by: (row) => row.tasks },
          { name: "Hours", show: (row) => number(row.hours), by: (row) => row.hours },
          {
            name: "Frames an hour",
            show: (row) => number(row.frames_per_hour, 0),
            by: (row) => row.frames_per_hour,
          },
          { name: "By day", show: (row) => <Trend days={days.get(row.name) ?? []} />, by: null },
        ]}
      />
      {report.calibration.length ? (
        <Table
          {...{ id, name: "calibration", title: "The model against people", empty: "" }}
          help={
            "How often people hold a button where the model gives it this probability: " +
            "the two should be the same."
          }
          rows={report.calibration}
          columns={[
            {
              name: "Probability",
              show: (row) => `${Math.round(100 * row.from)}–${Math.round(100 * row.to)} %`,
              by: (row) => row.from,
            },
            { name: "Cells", show: (row) => row.cells.toLocaleString(), by: (row) => row.cells },
            { name: "Model", show: (row) => percent(row.model), by: (row) => row.model },
            {
              name: "People",
              show: (row) => (
                <Cell of={row.people} title="Calibration" open={open} text={percent} />
              ),
              by: (row) => row.people.value,
            },
          ]}
        />
      ) : null}
      {shown ? (
        <Dialog title={shown.title} onClose={() => setShown(null)}>
          <p class="muted">The work that this number was made of, the worst first.</p>
          <ul class="items">
            {shown.items.map((item) => (
              <li>
                <Link to={`/work/${item}`} class="button">
                  #{item}
                </Link>
              </li>
            ))}
          </ul>
        </Dialog>
      ) : null}
    </>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Frames an hour day by day as bars, the best day the highest; in words for who cannot see it. */
function Trend({ days }: { days: Pace[] }) {
  const most = Math.max(1, ...days.map((day) => day.frames_per_hour ?? 0));
  const text = days
    .map(
      (day) => `${day.day}: ${day.tasks} tasks, ${number(day.frames_per_hour, 0)} frames an hour`,
    )
    .join("; ");
  return (
    <span class="trend" role="img" aria-label={text} title={text}>
      {days.slice(-30).map((day) => (
        <span style={{ height: `${10 + 90 * ((day.frames_per_hour ?? 0) / most)}%` }} />
      ))}
    </span>
  );
}
