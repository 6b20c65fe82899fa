// How good the labels are: every number with its interval, and the work that it was made of.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Button, Dialog, Head, Link, ScrollBox } from "../../parts";
import { signOf } from "../../review/axes";
import { errorText } from "../../session";
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
  of: Value;
  title: string;
  open: Open;
  text?: (v: number | null) => string;
}) {
  const { value, interval, tasks, items } = props.of;
  const text = props.text ?? two;
  if (!tasks) return <span class="muted">–</span>;
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

interface TableProps {
  id: number;
  name: string;
  title: string;
  help: string;
  head: string[];
  empty: string;
  rows: ComponentChildren[][];
}

function Table({ id, name, title, help, head, empty, rows }: TableProps) {
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
            <Head columns={head} />
            <tbody>
              {rows.map(([first, ...cells]) => (
                <tr>
                  <th scope="row">{first}</th>
                  {cells.map((cell) => (
                    <td>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      ) : (
        <p>{empty}</p>
      )}
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
  const { data: report, error } = useLoaded<Report>(`/api/projects/${id}/quality`);
  const [shown, setShown] = useState<{ title: string; items: number[] } | null>(null);
  if (!report) return error ? <p role="alert">{errorText(error)}</p> : <div aria-busy="true" />;
  const open: Open = (title, items) => setShown({ title, items });
  const { effort } = report;
  const compared = report.labels.filter((row) => row.alpha.tasks);
  return (
    <>
      <section class="panel">
        <h2>Effort</h2>
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
        head={["Label", "α", "Event F1"]}
        empty={NO_OVERLAP}
        rows={compared.map((row) => [
          row.label,
          <Cell of={row.alpha} title={`α of ${row.label}`} open={open} />,
          row.event_f1 ? (
            <Cell of={row.event_f1} title={`Events of ${row.label}`} open={open} />
          ) : null,
        ])}
      />
      {report.camera.some((row) => row.error_deg.tasks) ? (
        <Table
          {...{ id, name: "camera", title: "Axes", empty: "" }}
          help={
            "Mean difference between two people's answers in a frame: degrees of the camera, " +
            "notches of a wheel; of sticks, triggers and the pointer where they stand."
          }
          head={["Axis", "Difference"]}
          rows={report.camera.map((row) => [
            row.axis,
            <Cell
              of={row.error_deg}
              title={row.axis}
              open={open}
              text={(v) => `${two(v)}${signOf(row.unit)}`}
            />,
          ])}
        />
      ) : null}
      <Table
        {...{ id, name: "pairs", title: "Agreement, two people" }}
        help="Cohen's κ over all labels of the tasks that both have answered."
        head={["People", "κ"]}
        empty={NO_OVERLAP}
        rows={report.pairs.map((row) => [
          row.people.join(", "),
          <Cell of={row.kappa} title={row.people.join(" and ")} open={open} />,
        ])}
      />
      <Table
        {...{ id, name: "disputes", title: "Answers that differ" }}
        help="The most different first. Opened, they stand side by side."
        head={["Task", "Source", "People", "Different", "State", "Side by side"]}
        empty="None."
        rows={report.disputes.map((row) => [
          `#${row.task}`,
          row.source,
          row.people.join(", "),
          percent(row.different),
          row.settled ? "settled" : "open",
          <Link to={`/work/${row.assignments[0]}`} class="button">
            Compare
          </Link>,
        ])}
      />
      <Table
        {...{ id, name: "people", title: "People" }}
        help={
          "Accuracy on gold tasks: of the cells that the known answer, the model or the person " +
          "holds, those that are right."
        }
        head={["Name", "Accuracy on gold", "Tasks", "Hours", "Frames an hour", "By day"]}
        empty="Nobody has submitted anything yet."
        rows={report.people.map((row) => [
          row.name,
          <Cell of={row.accuracy} title={`${row.name} on gold`} open={open} text={percent} />,
          String(row.tasks),
          number(row.hours),
          number(row.frames_per_hour, 0),
          <Trend days={report.pace.filter((day) => day.name === row.name)} />,
        ])}
      />
      {report.calibration.length ? (
        <Table
          {...{ id, name: "calibration", title: "The model against people", empty: "" }}
          help={
            "How often people hold a button where the model gives it this probability: " +
            "the two should be the same."
          }
          head={["Probability", "Cells", "Model", "People"]}
          rows={report.calibration.map((row) => [
            `${Math.round(100 * row.from)}–${Math.round(100 * row.to)} %`,
            row.cells.toLocaleString(),
            percent(row.model),
            <Cell of={row.people} title="Calibration" open={open} text={percent} />,
          ])}
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
