// Action review: the frame, what was held at it, and the piano roll of the whole task.

import { useEffect, useMemo } from "preact/hooks";
import { Coach } from "../pages/Coach";
import { useKeys } from "../task/commands";
import { useControl } from "../task/control";
import { TaskDialogs } from "../task/dialogs";
import { TaskFooter } from "../task/Footer";
import { TaskHeader } from "../task/Header";
import type { OpenTask } from "../task/useTask";
import { axisAlong, stepOf } from "./axes";
import { useCanvases } from "./canvases";
import { reviewCommands } from "./commands";
import { codeOf, inputName } from "./game_keys";
import { GUTTER } from "./layout";
import { look } from "./look";
import { ReviewModel } from "./model";
import { PressBar } from "./PressBar";
import { usePlayAlong } from "./play_along";
import { usePlayback } from "./playback";
import { rangeText } from "./ranges";
import { SidePanel } from "./SidePanel";
import { Splitter } from "./Splitter";
import { StageArea } from "./StageArea";

export function ReviewPage({ task }: { task: OpenTask }) {
  const model = useMemo(() => new ReviewModel(task), [task]);
  const control = useControl(task, model);
  const find = useMemo(() => reviewCommands(model, control), [model, control]);
  const canvases = useCanvases(model);
  usePlayback(model);
  usePlayAlong(model.along);
  useKeys("review", control, find);
  useEffect(() => {
    if (model.isWatched) model.watch.start();
  }, [model]);
  const { data } = model;
  return (
    <div
      class={look.full.value ? "review full" : "review"}
      translate={false}
      data-task={data.task.id}
      data-assignment={data.assignment.id}
      data-mode={model.mode.value}
    >
      <TaskHeader control={control} />
      {data.project.practice && !model.readOnly ? <Coach model={model} /> : null}
      <main class="review-main">
        <div class="left">
          <div class="stage-line">
            <StageText model={model} />
            <Held model={model} />
            <canvas ref={canvases.compass} class="compass" aria-hidden="true" />
          </div>
          <StageArea
            model={model}
            box={canvases.stageBox}
            canvases={canvases.stage}
            label={`Picture of ${spoken(model)}`}
          />
          <Splitter />
          <div
            class="timeline"
            ref={canvases.timelineBox}
            tabIndex={0}
            role="slider"
            aria-label="Timeline"
            aria-valuemin={1}
            aria-valuemax={model.frames}
            aria-valuenow={model.frame.value + 1}
            aria-valuetext={spoken(model)}
            data-frame={model.frame.value}
            data-run={rangeText(model.watch.run.value)}
            style={{ "--gutter": `${GUTTER}px` }}
          >
            <canvas ref={canvases.lanes} aria-hidden="true" />
            <canvas ref={canvases.overLanes} class="over" aria-hidden="true" id="lanes" />
          </div>
        </div>
        <SidePanel model={model} control={control} />
      </main>
      <TaskFooter control={control} status={statusOf(model)}>
        <PressBar model={model} />
      </TaskFooter>
      <TaskDialogs control={control} scope="review" find={find} />
    </div>
  );
}

/** What is held, beside the picture: on it, it would hide what tells whether it is right. */
function Held({ model }: { model: ReviewModel }) {
  const frame = model.frame.value;
  const { buttons } = model.document.value;
  return (
    <span class="caps" aria-hidden="true">
      {model.data.project.buttons.map((name, lane) =>
        buttons[lane][frame] ? (
          <span key={name} class={model.predicted[lane][frame] ? "" : "edited"}>
            {name}
          </span>
        ) : null,
      )}
    </span>
  );
}

function StageText({ model }: { model: ReviewModel }) {
  const { start_ns, pts_ns } = model.data.task;
  const frame = model.frame.value;
  const playing = model.watch.playing.value;
  const seconds = ((start_ns + pts_ns[frame]) / 1e9).toFixed(3);
  return (
    <p>
      frame {frame + 1} of {model.frames} · {seconds} s
      {playing && model.watch.loop.value ? ` · ⟳ ${rangeText(model.watch.loop.value)}` : ""}
      {playing ? ` · ${playing > 0 ? "▶" : "◀"} ${Math.abs(playing)}×` : ""}
      {model.mode.value !== "normal" ? <b class="mode"> {modeText(model)}</b> : null}
    </p>
  );
}

/** The frame in words, for those who do not see it. */
function spoken(model: ReviewModel): string {
  const frame = model.frame.value;
  const { buttons } = model.document.value;
  const held = model.data.project.buttons.filter((_, lane) => buttons[lane][frame]);
  const what = held.length ? `held: ${held.join(", ")}` : "nothing held";
  return `frame ${frame + 1} of ${model.frames}, ${what}`;
}

const KEYS_SHOWN = 4; // of the game: the line must have room for what is held; lanes show them all

function modeText(model: ReviewModel): string {
  if (model.mode.value === "camera") {
    const { axes } = model.data.project;
    const axis = axes[axisAlong(axes, "dx")] ?? axes[0];
    const step = model.camera.step.value * stepOf(axis);
    const by = axis.unit === "degrees" ? `turn by ${step}°` : `move ${axis.name} by ${step}`;
    return `camera: arrows ${by}, − and = change that, 0 stops, Esc ends`;
  }
  if (model.mode.value === "along") {
    const { inputs } = model.data.project;
    const keys = inputs.filter(codeOf).slice(0, KEYS_SHOWN).map(inputName).join(", ");
    return `playing along: hold ${keys} … as the player did; Esc ends`;
  }
  const lane = model.data.project.buttons[model.lane.value];
  const verb = model.mode.value === "paint" ? "holding" : "releasing";
  return `${verb} ${lane} while you step`;
}

function statusOf(model: ReviewModel): string {
  const { runs } = model.watch;
  const selection = model.selection.range.value;
  const open = model.watch.open.value.length;
  if (model.isReview && !selection) {
    if (model.answers.length) {
      const places = runs.length === 1 ? "1 place" : `${runs.length} places`;
      return `${model.answers.length + 1} answers differ in ${places}`;
    }
    const changes = runs.length === 1 ? "1 change" : `${runs.length} changes`;
    return model.watch.areChanges
      ? `${changes} of the model's labels`
      : "The model's labels stand.";
  }
  if (selection) return `Selected: ${selection.end - selection.start} frames`;
  if (!runs.length) return "The model was sure everywhere. Look it through, then submit.";
  if (!open) return "Every uncertain run is decided.";
  return `${open} of ${runs.length} uncertain runs open`;
}
