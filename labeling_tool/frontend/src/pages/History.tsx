// Who changed what in a task, in order; nothing is ever taken out of it.

import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { operationText } from "../operation_text";
import { Link, when } from "../parts";
import { sayError } from "../session";
import { Head } from "../tables";
import type { Operation, TaskData } from "../types";

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
              <Head columns={["#", "When", "Who", "What", "Window"]} />
              <tbody>
                {ops.map((op) => (
                  <tr>
                    <td>{op.seq}</td>
                    <td>{when(op.at_ms ?? null)}</td>
                    <td>{op.who}</td>
                    <td>{operationText(op, task.project, ops)}</td>
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
