// Who changed what in a task, in order; nothing is ever taken out of it.

import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { Link, when } from "../parts";
import { rangeText } from "../review/ranges";
import { sayError } from "../session";
import type { Operation, TaskData } from "../types";

const curveText = (degrees: number[]): string =>
  degrees.length === 1 ? `${degrees[0]}°` : "a curve";

function describe(op: Operation, task: TaskData, all: Operation[]): string {
  const { start = 0, end = 0, lane = 0, axis = 0, value, values, label, reasons } = op.payload;
  const range = end - start === 1 ? `frame ${start + 1}` : `frames ${start + 1} to ${end}`;
  switch (op.kind) {
    case "paint":
      return `${value ? "held" : "released"} ${task.project.buttons[lane]} in ${range}`;
    case "press": {
      const to = { start: op.payload.to_start ?? 0, end: op.payload.to_end ?? 0 };
      const button = task.project.buttons[lane];
      return `moved ${button} from ${rangeText({ start, end })} to ${rangeText(to)}`;
    }
    case "camera":
      return `set ${task.project.axes[axis]?.name} in ${range} to ${curveText(values!)}`;
    case "release":
      return `released everything in ${range}`;
    case "reset":
      return `went back to the prediction in ${range}`;
    case "accept":
      return `${value ? "accepted" : "took back the acceptance of"} ${range}`;
    case "unsure":
      return `${value ? "could not tell" : "could tell after all"} in ${range}`;
    case "invalid":
      return `${value ? "said there is no label" : "said there is a label"} in ${range}`;
    case "label":
      if (!label) return `took the label of ${range} away`;
      return `labelled ${range} ${[label, ...(reasons ?? [])].join(", ")}`;
    case "note":
      return `commented: ${op.payload.text}`;
    case "remark":
      return `remarked on ${range}: ${op.payload.text}`;
    case "undo":
    case "redo": {
      const target = all.find((other) => other.id === op.payload.op);
      return `${op.kind === "undo" ? "undid" : "redid"} number ${target?.seq ?? "?"}`;
    }
  }
}

export function History({ assignment }: { assignment: number }) {
  const [task, setTask] = useState<TaskData | null>(null);
  const [ops, setOps] = useState<Operation[]>([]);
  useEffect(() => {
    void Promise.all([
      get<TaskData>(`/api/assignments/${assignment}`),
      get<{ operations: Operation[] }>(`/api/assignments/${assignment}/operations`),
    ])
      .then(([data, history]) => {
        setTask(data);
        setOps(history.operations);
      })
      .catch(sayError);
  }, [assignment]);
  if (!task) return <main class="page" aria-busy="true" />;
  const windows = [...new Set(ops.map((op) => op.client))];
  return (
    <main class="page">
      <h1>History of task {task.task.id}</h1>
      <p class="muted">
        {task.project.name} · {task.task.source} · {task.assignment.state} ·{" "}
        <Link to={`/work/${assignment}`}>open it</Link>
      </p>
      <section class="panel">
        {ops.length ? (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">#</th>
                  <th scope="col">When</th>
                  <th scope="col">Who</th>
                  <th scope="col">What</th>
                  <th scope="col">Window</th>
                </tr>
              </thead>
              <tbody>
                {ops.map((op) => (
                  <tr>
                    <td>{op.seq}</td>
                    <td>{when(op.at_ms ?? null)}</td>
                    <td>{op.who}</td>
                    <td>{describe(op, task, ops)}</td>
                    <td class="muted">{windows.indexOf(op.client) + 1}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        ) : (
          <p class="muted">Nothing has been changed.</p>
        )}
      </section>
    </main>
  );
}
