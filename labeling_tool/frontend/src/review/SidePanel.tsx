// What is held at the frame, and the buttons for what can be done, each with its key.

import { useEffect, useRef } from "preact/hooks";
import { keyOf } from "../keys";
import { Button, Key } from "../parts";
import type { TaskControl } from "../taskframe";
import type { ReviewModel } from "./model";

const degrees = (value: number): string => `${(Math.abs(value) < 0.05 ? 0 : value).toFixed(1)}°`; // no minus zero

export function SidePanel({
  model,
  control,
  onSubmit,
}: {
  model: ReviewModel;
  control: TaskControl;
  onSubmit: () => void;
}) {
  const { project } = model.data;
  const t = model.frame;
  const list = useRef<HTMLUListElement>(null);
  useEffect(
    () => list.current?.querySelector(".cursor")?.scrollIntoView({ block: "nearest" }),
    [model.lane],
  );
  const marks = [
    model.document.accepted[t] ? "accepted" : "",
    model.document.unsure[t] ? "unsure" : "",
    model.document.valid[t] ? "" : "no label",
  ].filter(Boolean);
  return (
    <aside class="side" aria-label="Keys at this frame">
      <h2>
        At frame {t + 1} {marks.length ? <span class="badge">{marks.join(", ")}</span> : null}
      </h2>
      <ul class="lanes" ref={list}>
        {project.buttons.map((name, lane) => {
          const held = model.document.buttons[lane][t] === 1;
          const edited = held !== (model.predicted[lane][t] === 1);
          const share = model.predictions.buttons_prob[lane][t];
          return (
            <li key={name}>
              <button
                type="button"
                class={`lane ${held ? "held" : ""} ${edited ? "edited" : ""} ${lane === model.lane ? "cursor" : ""}`}
                aria-pressed={held}
                data-lane={name}
                disabled={model.readOnly}
                onClick={(event) => {
                  if (event.detail > 0) event.currentTarget.blur();
                  model.toggleLane(lane);
                }}
              >
                {lane < 10 ? (
                  <Key k={lane === 9 ? "0" : String(lane + 1)} />
                ) : (
                  <span class="nokey" />
                )}
                <span class="name">{name}</span>
                {edited ? <em>edited</em> : null}
                {model.showPrediction ? (
                  <>
                    <span class="meter" aria-hidden="true">
                      <i style={{ width: `${share * 100}%` }} />
                    </span>
                    <span class="percent">
                      <span class="hidden">model </span>
                      {Math.round(share * 100)} %
                    </span>
                  </>
                ) : null}
              </button>
            </li>
          );
        })}
      </ul>
      {project.axes.length ? (
        <p class="camera">
          {project.axes.map((axis, a) => {
            const value = model.document.camera[a][t];
            const said = model.predictions.camera[a][t];
            const edited = Math.abs(value - said) > 0.01;
            return (
              <span>
                {axis.name} <b class={edited ? "edited" : ""}>{degrees(value)}</b>
                {model.showPrediction && edited ? <small> model {degrees(said)}</small> : null}
              </span>
            );
          })}
          <Button
            hint={keyOf("camera")}
            kind="quiet"
            pressed={model.mode === "camera"}
            disabled={model.readOnly}
            onClick={() => model.setMode("camera")}
          >
            Camera
          </Button>
        </p>
      ) : null}
      {model.readOnly ? null : (
        <div class="actions">
          <Button hint={keyOf("accept")} onClick={() => model.accept()}>
            Accept run
          </Button>
          <Button hint={keyOf("nextUncertain")} onClick={() => model.jumpUncertain(1)}>
            Next uncertain
          </Button>
          <Button hint={keyOf("unsure")} onClick={() => model.mark("unsure")}>
            Cannot tell
          </Button>
          <Button hint={keyOf("invalid")} onClick={() => model.mark("invalid")}>
            No label
          </Button>
          <Button
            hint={keyOf("paint")}
            pressed={model.mode === "paint"}
            onClick={() => model.setMode("paint")}
          >
            Paint
          </Button>
          <Button
            hint={keyOf("erase")}
            pressed={model.mode === "erase"}
            onClick={() => model.setMode("erase")}
          >
            Erase
          </Button>
          <Button hint={keyOf("undo")} onClick={() => control.log.undo()}>
            Undo
          </Button>
          <Button hint={keyOf("redo")} onClick={() => control.log.redo()}>
            Redo
          </Button>
          {model.data.mine ? (
            <Button
              hint={keyOf("submit")}
              kind="primary"
              id="submit"
              class="whole"
              onClick={onSubmit}
            >
              Submit, next task
            </Button>
          ) : null}
        </div>
      )}
    </aside>
  );
}
