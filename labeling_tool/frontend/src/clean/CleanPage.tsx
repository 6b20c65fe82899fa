// Clean or not: one frame at a time, or a page of sixteen; one key a decision, then the next frame.

import { useLayoutEffect, useMemo, useReducer, useRef } from "preact/hooks";
import { commandFor, keyOf } from "../keys";
import { Coach } from "../pages/Coach";
import { Bar, Button, Key } from "../parts";
import { Notices, TaskHeader, type TaskState, useControl, Verdict } from "../taskframe";
import type { CleanLabel } from "../types";
import { CleanModel, LABELS, PAGE, REASONS } from "./model";

export function CleanPage({ state }: { state: TaskState }) {
  const model = useMemo(
    () => new CleanModel(state.opened.data, state.opened.pictures, state.log, state.readOnly),
    [state],
  );
  const [, update] = useReducer((n: number) => n + 1, 0);
  const control = useControl(state, "clean", () => model.relabel());
  model.onChange = () => update(0);

  const submit = (): void => {
    const open = model.open;
    if (open && !model.submitArmed && !state.readOnly) {
      model.submitArmed = true;
      model.say(
        `${open} ${open === 1 ? "frame has" : "frames have"} no label yet. Press again to submit all the same.`,
      );
      return;
    }
    void control.submit();
  };

  // Before the first paint: whoever sees a frame may press a key.
  useLayoutEffect(() => {
    const label = (name: CleanLabel | null) => () => model.label(name);
    const commands: Record<string, () => void> = {
      next: () => model.seek(model.frame + 1),
      previous: () => model.seek(model.frame - 1),
      next10: () => model.seek(model.frame + PAGE),
      previous10: () => model.seek(model.frame - PAGE),
      first: () => model.seek(0),
      last: () => model.seek(model.frames - 1),
      up: () => model.seek(model.frame - (model.grid ? 4 : 1)),
      down: () => model.seek(model.frame + (model.grid ? 4 : 1)),
      nextOpen: () => model.nextOpen(),
      grid: () => model.toggleGrid(),
      clean: label("clean"),
      artifacts: label("artifacts"),
      none: label("none"),
      unsureLabel: label("unsure"),
      unlabel: label(null),
      webcam: () => model.reason("webcam"),
      watermark: () => model.reason("watermark"),
      overlay: () => model.reason("overlay"),
      otherReason: () => model.reason("other"),
      acceptPage: () => model.acceptPage(),
      undo: () => state.readOnly || state.log.undo() || model.say("Nothing to undo."),
      redo: () => state.readOnly || state.log.redo() || model.say("Nothing to redo."),
      selectIn: () => model.selectFrom(),
      selectOut: () => model.selectTo(),
      selectAll: () => model.select(0, model.frames),
      clear: () => model.clearSelection(),
      submit,
      pause: () => void control.pause(),
      before: () => control.before(),
      skip: () => void control.release(),
      note: () => control.askNote(),
      help: () => control.showHelp(),
    };
    const onKey = (event: KeyboardEvent): void => {
      if (control.dialogOpen) return;
      const command = commandFor(event, "clean");
      if (!command || !commands[command]) return;
      event.preventDefault();
      if (event.repeat && !/^(next|previous)(10)?$|^(up|down)$/.test(command)) return;
      state.log.noteInput();
      commands[command]();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  });

  const { data } = state.opened;
  return (
    <div
      class="clean-page"
      data-task={data.task.id}
      data-assignment={data.assignment.id}
      data-frame={model.frame}
    >
      <TaskHeader control={control}>
        <span class="progressline">
          <Bar share={1 - model.open / model.frames} label="Frames with a label" tone="held" />
          {model.frames - model.open} / {model.frames}
        </span>
      </TaskHeader>
      <Notices control={control} />
      <main class="clean-main">
        {model.grid ? <Grid model={model} /> : <Single model={model} />}
        <aside class="side" aria-label="Labels">
          <h2>
            Frame {model.frame + 1}
            <span class="muted">
              {" "}
              · {((data.task.start_ns + data.task.pts_ns[model.frame]) / 1e9).toFixed(2)} s
            </span>
          </h2>
          {model.selection ? (
            <p class="badge">{model.selection.end - model.selection.start} frames selected</p>
          ) : null}
          <div class="choices">
            {LABELS.map(({ id, command, name }) => (
              <Button
                key={id}
                hint={keyOf(command)}
                class={`choice ${id}`}
                pressed={model.document.labels[model.frame] === id}
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
                pressed={model.document.reasons[model.frame].includes(id)}
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
              <Button hint={keyOf("grid")} pressed={model.grid} onClick={() => model.toggleGrid()}>
                Grid
              </Button>
              <Button hint={keyOf("unlabel")} onClick={() => model.label(null)}>
                No label
              </Button>
              <Button hint={keyOf("undo")} onClick={() => state.log.undo()}>
                Undo
              </Button>
              <Button hint={keyOf("redo")} onClick={() => state.log.redo()}>
                Redo
              </Button>
              {data.mine ? (
                <Button
                  hint={keyOf("submit")}
                  kind="primary"
                  id="submit"
                  class="whole"
                  onClick={submit}
                >
                  Submit, next task
                </Button>
              ) : null}
            </div>
          )}
        </aside>
        {data.project.practice && !state.readOnly ? <Coach clean={model} /> : null}
      </main>
      <footer class="hintbar">
        <span role="status" aria-live="polite">
          {model.notice || `${model.open} to go`}
        </span>
        <span class="muted">
          Range: <Key k={keyOf("selectIn")} /> start, <Key k={keyOf("selectOut")} /> end, then a
          label
        </span>
        <span class="grow" />
        <Verdict control={control} />
        {!state.readOnly && data.mine ? (
          <>
            <Button hint={keyOf("note")} kind="quiet" onClick={control.askNote}>
              Comment
            </Button>
            <Button hint={keyOf("pause")} kind="quiet" onClick={() => void control.pause()}>
              Pause
            </Button>
            <Button hint={keyOf("skip")} kind="quiet" onClick={() => void control.release()}>
              Give back
            </Button>
          </>
        ) : null}
      </footer>
      {control.dialogs}
    </div>
  );
}

function spoken(model: CleanModel, frame: number): string {
  const label = model.document.labels[frame];
  const reasons = model.document.reasons[frame];
  return `frame ${frame + 1} of ${model.frames}, ${label ? [label, ...reasons].join(", ") : "no label"}`;
}

function Picture({ model, frame }: { model: CleanModel; frame: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  // Before the browser paints: drawn later, the picture would for a moment be that of another frame than the number.
  useLayoutEffect(() => {
    const target = canvas.current!;
    target.width = model.pictures.width;
    target.height = model.pictures.height;
    target.getContext("2d")!.drawImage(model.pictures.frames[frame], 0, 0);
    target.dataset.frame = String(frame);
  }, [model, frame]);
  return <canvas ref={canvas} aria-hidden="true" />;
}

function Tag({ model, frame }: { model: CleanModel; frame: number }) {
  const label = model.document.labels[frame];
  if (!label) return null;
  const name = LABELS.find((entry) => entry.id === label)!.short;
  return <span class={`tag ${label}`}>{[name, ...model.document.reasons[frame]].join(" · ")}</span>;
}

const inSelection = (model: CleanModel, frame: number): boolean =>
  model.selection !== null && model.selection.start <= frame && frame < model.selection.end;

function Cell({ model, frame, size }: { model: CleanModel; frame: number; size: string }) {
  return (
    <button
      type="button"
      class={`cell ${size} ${model.document.labels[frame] ?? "open"} ${inSelection(model, frame) ? "selected" : ""}`}
      aria-current={frame === model.frame ? "true" : undefined}
      onClick={(event) => {
        if (event.detail > 0) event.currentTarget.blur();
        if (event.shiftKey)
          model.select(Math.min(frame, model.frame), Math.max(frame, model.frame) + 1);
        else model.seek(frame);
      }}
      tabIndex={-1}
    >
      <Picture model={model} frame={frame} />
      <span class="number">
        <span class="hidden">Frame </span>
        {frame + 1}
      </span>
      <Tag model={model} frame={frame} />
      {model.document.labels[frame] ? null : <span class="hidden">no label</span>}
    </button>
  );
}

function Grid({ model }: { model: CleanModel }) {
  const first = model.pageStart;
  const frames = Array.from({ length: Math.min(PAGE, model.frames - first) }, (_, i) => first + i);
  return (
    <section class="grid" aria-label={`Frames ${first + 1} to ${first + frames.length}`}>
      {frames.map((frame) => (
        <Cell key={frame} model={model} frame={frame} size="small" />
      ))}
    </section>
  );
}

function Single({ model }: { model: CleanModel }) {
  const around = 4;
  const first = Math.max(0, Math.min(model.frame - around, model.frames - 2 * around - 1));
  const frames = Array.from(
    { length: Math.min(2 * around + 1, model.frames) },
    (_, i) => first + i,
  );
  return (
    <section class="single">
      <div
        class={`big ${model.document.labels[model.frame] ?? "open"}`}
        role="img"
        aria-label={spoken(model, model.frame)}
        data-frame={model.frame}
      >
        <Picture model={model} frame={model.frame} />
        <Tag model={model} frame={model.frame} />
      </div>
      <div class="strip">
        {frames.map((frame) => (
          <Cell key={frame} model={model} frame={frame} size="tiny" />
        ))}
      </div>
    </section>
  );
}
