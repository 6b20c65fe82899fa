// The guided tour beside a practice task: one small thing after the other, each ticked off when it
// has been done.

import { useMemo, useRef } from "preact/hooks";
import type { CleanModel } from "../clean/model";
import { keyName, keyOf } from "../keys";
import { ReviewModel } from "../review/model";
import type { Kind } from "../types";

/** What to do, and whether it has been done: both read signals, so progress is seen at once. */
interface Step {
  text: () => string;
  done: () => boolean;
}

const k = (id: string): string => keyName(keyOf(id));
const never = (): boolean => false; // the last step ends with the task

const isHeld = (model: ReviewModel, button: string, frames: number[]): boolean => {
  const row = model.document.value.buttons[model.data.project.buttons.indexOf(button)];
  return frames.every((frame) => row?.[frame] === 1);
};

/** The first lesson: a missed shot, and a run. Frames in texts count from 1. */
function buttonSteps(model: ReviewModel): Step[] {
  const start = model.frame.value;
  const hasDone = (kind: Kind): boolean => model.log.all.value.some((op) => op.kind === kind);
  return [
    {
      text: () => `Step frame by frame with ${k("previous")} and ${k("next")}.`,
      done: () => model.frame.value !== start,
    },
    {
      text: () => `Play with ${k("play")}, stop with ${k("play")} again.`,
      done: () => model.watch.playing.value !== 0,
    },
    {
      text: () =>
        "Violet marks where the model was unsure. Jump to the next such run with " +
        `${k("nextUncertain")}.`,
      done: () => model.watch.runAtFrame.value !== null,
    },
    {
      text: () =>
        "Frames 33 and 34 miss a shot: the flash comes one frame after the key. " +
        "Go to frame 33 and press 6 for attack.",
      done: () => isHeld(model, "attack", [32]),
    },
    {
      text: () => `The shot lasts two frames: step on with ${k("next")} and press 6 again.`,
      done: () => isHeld(model, "attack", [33]),
    },
    { text: () => `Take your last edit back with ${k("undo")} …`, done: () => hasDone("undo") },
    { text: () => `… and bring it back with ${k("redo")}.`, done: () => hasDone("redo") },
    {
      text: () => `The run is right now: accept it with ${k("accept")}. You land in the next one.`,
      done: () => hasDone("accept"),
    },
    {
      text: () =>
        `Here the player ran. Select the run with ${k("selectRun")} and press 5 for run: ` +
        "it holds in the whole selection.",
      done: () => isHeld(model, "run", [41, 44, 47]),
    },
    {
      text: () =>
        `Go on like this with ${k("nextUncertain")} and ${k("accept")}. ` +
        `What you cannot tell is no shame: ${k("unsure")}.`,
      done: () => model.watch.open.value.length === 0,
    },
    { text: () => `Nothing has to be saved. Submit with ${k("submit")}.`, done: never },
  ];
}

/** The second lesson: a turn of the camera, and an edge that is too late. */
function cameraSteps(model: ReviewModel): Step[] {
  const yaw = model.data.project.axes.findIndex((axis) => axis.input === "dx");
  const selected = (): number => {
    const range = model.selection.range.value;
    return range ? range.end - range.start : 0;
  };
  return [
    {
      text: () =>
        "The camera turns here and the model missed it: white is its guess. Select the turn, " +
        `frames 13 to 20: go to 13, press ${k("selectIn")}, go to 20, press ${k("selectOut")}.`,
      done: () => selected() >= 6,
    },
    {
      text: () => `Start camera mode with ${k("camera")}.`,
      done: () => model.mode.value === "camera",
    },
    {
      text: () =>
        "Press → three times: 6 degrees to the right in each frame. The yellow arrow above the " +
        "picture shows it.",
      done: () => Math.abs(model.document.value.camera[yaw][15] - 6) < 1.1,
    },
    {
      text: () => `Leave camera mode with ${k("clear")}.`,
      done: () => model.mode.value === "normal",
    },
    {
      text: () =>
        "The player strafes right from frame 21 on, not from 25. Pick the lane with " +
        `${k("laneUp")} and ${k("laneDown")}, go to frame 25 and move its edge with ` +
        `${k("nudgeEarlier")}.`,
      done: () => isHeld(model, "right", [20, 21, 22, 23]),
    },
    {
      text: () =>
        `Hide and show the model's opinion with ${k("prediction")}: ` +
        "sometimes it is better not to know.",
      done: () => !model.showPrediction.value,
    },
    { text: () => `Decide the other runs, then submit with ${k("submit")}.`, done: never },
  ];
}

/** The third lesson. */
function cleanSteps(model: CleanModel): Step[] {
  const count = (name: string): number =>
    model.document.value.labels.filter((label) => label === name).length;
  return [
    {
      text: () =>
        `Is this clean play, as the game shows it? Then press ${k("clean")}. ` +
        "The next frame comes by itself.",
      done: () => count("clean") >= 2,
    },
    {
      text: () =>
        `A webcam in the corner is an artifact: ${k("webcam")}. ` +
        `A watermark: ${k("watermark")}. Text: ${k("overlay")}.`,
      done: () => count("artifacts") >= 1,
    },
    {
      text: () => `A menu, a desktop, another game: none of the above, ${k("none")}.`,
      done: () => count("none") >= 1,
    },
    {
      text: () => `${k("grid")} changes between the page of sixteen and one large frame.`,
      done: () => !model.grid.value,
    },
    {
      text: () =>
        `When all odd ones are labelled, ${k("acceptPage")} says that the rest of the page is ` +
        "clean.",
      done: () => model.open.value === 0,
    },
    { text: () => `Submit with ${k("submit")}.`, done: never },
  ];
}

function stepsOf(model: ReviewModel | CleanModel): Step[] {
  if (!(model instanceof ReviewModel)) return cleanSteps(model);
  return model.data.task.source === "Lesson 1" ? buttonSteps(model) : cameraSteps(model);
}

export function Coach({ model }: { model: ReviewModel | CleanModel }) {
  const steps = useMemo(() => stepsOf(model), [model]);
  const at = useRef(0);
  while (at.current < steps.length - 1 && steps[at.current].done()) at.current += 1;
  return (
    <section class="coach" aria-live="polite" aria-label="Tour" data-step={at.current}>
      <b>
        {at.current + 1} / {steps.length}
      </b>
      <p>{steps[at.current].text()}</p>
    </section>
  );
}
