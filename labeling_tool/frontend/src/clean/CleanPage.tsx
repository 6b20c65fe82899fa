// Clean or not: one frame at a time, or a page of sixteen; a key per decision, then the next frame.

import { useMemo } from "preact/hooks";
import { keyOf } from "../keys";
import { Coach } from "../pages/Coach";
import { Bar, Button, Key } from "../parts";
import { TaskActions } from "../task/actions";
import { useKeys } from "../task/commands";
import { type TaskControl, useControl } from "../task/control";
import { TaskDialogs } from "../task/dialogs";
import { TaskFooter } from "../task/Footer";
import { TaskHeader } from "../task/Header";
import type { OpenTask } from "../task/useTask";
import { cleanCommands } from "./commands";
import { Grid, Single } from "./frames";
import { CleanModel, LABELS, REASONS } from "./model";

export function CleanPage({ task }: { task: OpenTask }) {
  const model = useMemo(() => new CleanModel(task), [task]);
  const control = useControl(task, model);
  const find = useMemo(() => cleanCommands(model, control), [model, control]);
  useKeys("clean", control, find);
  const { data } = model;
  const done = model.frames - model.open.value;
  return (
    <div
      class="clean-page"
      translate={false}
      data-task={data.task.id}
      data-assignment={data.assignment.id}
      data-frame={model.frame.value}
    >
      <TaskHeader control={control}>
        <span class="progressline">
          <Bar share={done / model.frames} label="Frames with a label" tone="held" />
          {done} / {model.frames}
        </span>
      </TaskHeader>
      {data.project.practice && !model.readOnly ? <Coach model={model} /> : null}
      <main class="clean-main">
        {model.grid.value ? <Grid model={model} /> : <Single model={model} />}
        <SidePanel model={model} control={control} />
      </main>
      <TaskFooter control={control} status={`${model.open.value} to go`}>
        <span class="muted">
          Range: <Key k={keyOf("selectIn")} /> start, <Key k={keyOf("selectOut")} /> end, then a
          label
        </span>
      </TaskFooter>
      <TaskDialogs control={control} scope="clean" find={find} />
    </div>
  );
}

function SidePanel({ model, control }: { model: CleanModel; control: TaskControl }) {
  const frame = model.frame.value;
  const { start_ns, pts_ns } = model.data.task;
  const selection = model.selection.range.value;
  const { labels, reasons } = model.document.value;
  return (
    <aside class="side" aria-label="Labels">
      <h2>
        Frame {frame + 1}
        <span class="muted"> · {((start_ns + pts_ns[frame]) / 1e9).toFixed(2)} s</span>
      </h2>
      {selection ? <p class="badge">{selection.end - selection.start} frames selected</p> : null}
      <div class="choices">
        {LABELS.map(({ id, command, name }) => (
          <Button
            key={id}
            hint={keyOf(command)}
            class={`choice ${id}`}
            pressed={labels[frame] === id}
            disabled={model.readOnly}
            onClick={() => model.label(id)}
          >
            <span class={`dot ${id}`} aria-hidden="true" /> {name}
          </Button>
        ))}
      </div>
      <h3>Artifacts</h3>
      <div class="choices two">
        {REASONS.map(({ id, command, name }) => (
          <Button
            key={id}
            hint={keyOf(command)}
            pressed={reasons[frame].includes(id)}
            disabled={model.readOnly}
            onClick={() => model.reason(id)}
          >
            {name}
          </Button>
        ))}
      </div>
      {model.readOnly ? null : (
        <div class="actions">
          <Button hint={keyOf("acceptPage")} class="whole" onClick={() => model.acceptPage()}>
            Rest of the page is clean
          </Button>
          <Button
            hint={keyOf("grid")}
            pressed={model.grid.value}
            onClick={() => model.toggleGrid()}
          >
            Grid
          </Button>
          <Button hint={keyOf("unlabel")} onClick={() => model.label(null)}>
            No label
          </Button>
          <TaskActions control={control} />
        </div>
      )}
    </aside>
  );
}
