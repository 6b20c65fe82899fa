// What is held at the frame, and the buttons for what can be done, each with its key.

import { useEffect, useRef } from "preact/hooks";
import { CAMERA_SAME_DEG } from "../document";
import { keyOf } from "../keys";
import { Button, Key } from "../parts";
import { TaskActions } from "../task/actions";
import type { TaskControl } from "../task/control";
import { HistoryRail } from "../task/HistoryRail";
import { Answers } from "./Answers";
import { axisText } from "./axes";
import { inputName } from "./game_keys";
import { flip, look } from "./look";
import type { ReviewModel } from "./model";
import { rangeText } from "./ranges";

interface PanelProps {
  model: ReviewModel;
  control: TaskControl;
}

export function SidePanel({ model, control }: PanelProps) {
  const t = model.frame.value;
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    const lane = list.current?.querySelector<HTMLElement>(".cursor");
    if (lane) bringIntoView(list.current!, lane);
  }, [model.lane.value]);
  const { accepted, unsure, valid } = model.document.value;
  const marks = [
    accepted[t] ? "accepted" : "",
    unsure[t] ? "unsure" : "",
    valid[t] ? "" : "no label",
  ].filter(Boolean);
  return (
    <aside class="side" aria-label="Keys at this frame">
      <h2>
        At frame {t + 1} {marks.length ? <span class="badge">{marks.join(", ")}</span> : null}
      </h2>
      <ul class="lanes" ref={list}>
        {model.fold.shown.value.map((lane) => {
          const name = model.data.project.buttons[lane];
          return <Lane key={name} model={model} name={name} lane={lane} />;
        })}
      </ul>
      <FoldButton model={model} />
      {model.axes ? <Camera model={model} /> : null}
      {model.answers.length ? <Answers model={model} /> : null}
      {model.readOnly ? null : <Actions model={model} control={control} />}
      <HistoryRail model={model} />
    </aside>
  );
}

/** Scroll a list, and nothing around it: on a low window that would be the page. */
function bringIntoView(list: HTMLElement, part: HTMLElement): void {
  const [above, below] = [part.offsetTop, part.offsetTop + part.offsetHeight];
  if (above < list.scrollTop) list.scrollTop = above;
  else if (below > list.scrollTop + list.clientHeight) list.scrollTop = below - list.clientHeight;
}

function Lane({ model, name, lane }: { model: ReviewModel; name: string; lane: number }) {
  const t = model.frame.value;
  const held = model.document.value.buttons[lane][t] === 1;
  const edited = held !== (model.predicted[lane][t] === 1);
  const share = model.predictions.buttons_prob[lane][t];
  const cursor = lane === model.lane.value ? "cursor" : "";
  const doubtful = model.doubts.lanes[lane][t] === 1;
  const against = model.against(lane, t).map((other) => model.data.project.buttons[other]);
  const clashing = against.length ? "clashing" : "";
  return (
    <li>
      <button
        type="button"
        class={`lane ${held ? "held" : ""} ${edited ? "edited" : ""} ${clashing} ${cursor}`}
        aria-pressed={held}
        data-lane={name}
        disabled={model.readOnly}
        onClick={(event) => {
          if (event.detail > 0) event.currentTarget.blur();
          model.toggleLane(lane);
        }}
      >
        {lane < 10 ? <Key k={lane === 9 ? "0" : String(lane + 1)} /> : <span class="nokey" />}
        <span class="name">{name}</span>
        <small class="muted gamekey">{inputName(model.data.project.inputs[lane] ?? "")}</small>
        {against.length ? (
          <em class="clash" title={`Excludes ${against.join(", ")}`}>
            not with {against.join(", ")}
          </em>
        ) : edited ? (
          <em>edited</em>
        ) : null}
        {model.showPrediction.value ? (
          <>
            <span class="meter" aria-hidden="true">
              <i style={{ width: `${share * 100}%` }} />
            </span>
            <span
              class={doubtful ? "percent doubt" : "percent"}
              title={`How likely the model thinks it that ${name} is held in this frame`}
            >
              <span class="hidden">model </span>
              {Math.round(share * 100)} %{doubtful ? " ?" : ""}
            </span>
          </>
        ) : null}
      </button>
    </li>
  );
}

/** Whether lanes without a use are shown; nothing where all of them have one. */
function FoldButton({ model }: { model: ReviewModel }) {
  const unused = model.fold.unused.value.length;
  if (!unused) return null;
  return (
    <Button kind="quiet" class="fold" hint={keyOf("fold")} onClick={() => flip(look.folds)}>
      {look.folds.value ? `Show ${unused} unused lanes` : `Fold ${unused} unused lanes away`}
    </Button>
  );
}

function Camera({ model }: { model: ReviewModel }) {
  const t = model.frame.value;
  return (
    <p class="camera">
      {model.data.project.axes.map((axis, a) => {
        const value = model.document.value.camera[a][t];
        const predicted = model.predictions.camera[a][t];
        const edited = Math.abs(value - predicted) > CAMERA_SAME_DEG;
        return (
          <span key={axis.name}>
            {axis.name} <b class={edited ? "edited" : ""}>{axisText(axis, value)}</b>
            {model.doubts.camera[t] && model.showPrediction.value ? " ?" : null}
            {model.showPrediction.value && edited ? (
              <small> model {axisText(axis, predicted)}</small>
            ) : null}
          </span>
        );
      })}
      <Button
        hint={keyOf("camera")}
        kind="quiet"
        pressed={model.mode.value === "camera"}
        disabled={model.readOnly}
        onClick={() => model.setMode("camera")}
      >
        Camera
      </Button>
    </p>
  );
}

function Actions({ model, control }: PanelProps) {
  const mode = model.mode.value;
  const range = model.watch.decided;
  return (
    <div class="actions">
      {model.isReview ? null : (
        <Button hint={keyOf("accept")} kind="primary" onClick={() => model.watch.accept()}>
          {range ? `Accept ${rangeText(range)}` : "Next run"}
        </Button>
      )}
      <Button hint={keyOf("nextUncertain")} onClick={() => model.watch.jump(1)}>
        {model.watch.areChanges ? "Next change" : "Next uncertain"}
      </Button>
      <Button hint={keyOf("unsure")} onClick={() => model.watch.mark("unsure")}>
        Cannot tell
      </Button>
      <Button hint={keyOf("invalid")} onClick={() => model.watch.mark("invalid")}>
        No label
      </Button>
      <Button
        hint={keyOf("paint")}
        pressed={mode === "paint"}
        onClick={() => model.setMode("paint")}
      >
        Paint
      </Button>
      <Button
        hint={keyOf("erase")}
        pressed={mode === "erase"}
        onClick={() => model.setMode("erase")}
      >
        Erase
      </Button>
      <TaskActions control={control} />
    </div>
  );
}
