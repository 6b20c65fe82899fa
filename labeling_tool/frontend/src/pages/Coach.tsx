// The guided tour beside a practice task: one small thing after the other, each ticked off when it has been done.

import { useEffect, useReducer, useRef } from "preact/hooks";
import type { CleanModel } from "../clean/model";
import { keyName, keyOf } from "../keys";
import type { ReviewModel } from "../review/model";

interface Step {
  text: () => string;
  done: () => boolean;
}

const k = (id: string): string => keyName(keyOf(id));

function reviewSteps(model: ReviewModel): Step[] {
  const kinds = (kind: string): number => model.log.all.filter((op) => op.kind === kind).length;
  const start = model.frame;
  const saw = { played: false, predicted: false };
  const held = (name: string, frame: number): boolean =>
    model.document.buttons[model.data.project.buttons.indexOf(name)]?.[frame] === 1;
  if (model.data.task.source === "Lesson 1") {
    return [
      {
        text: () => `Step frame by frame with ${k("previous")} and ${k("next")}.`,
        done: () => model.frame !== start,
      },
      {
        text: () => `Play with ${k("play")}, stop with ${k("play")} again.`,
        done: () => (saw.played ||= model.playing !== 0),
      },
      {
        text: () =>
          `Orange marks where the model was unsure. Jump to the next such run with ${k("nextUncertain")}.`,
        done: () => model.runAtFrame !== null,
      },
      {
        text: () =>
          "Frames 33 and 34 miss a shot: the flash comes one frame after the key. Go to frame 33 and press 6 for attack.",
        done: () => held("attack", 32),
      },
      {
        text: () => `The shot lasts two frames: step on with ${k("next")} and press 6 again.`,
        done: () => held("attack", 33),
      },
      { text: () => `Take your last edit back with ${k("undo")} …`, done: () => kinds("undo") > 0 },
      { text: () => `… and bring it back with ${k("redo")}.`, done: () => kinds("redo") > 0 },
      {
        text: () =>
          `The run is right now: accept it with ${k("accept")}. You land in the next one.`,
        done: () => kinds("accept") > 0,
      },
      {
        text: () =>
          `Here the player ran. Select the run with ${k("selectRun")} and press 5 for run: it holds in the whole selection.`,
        done: () => [41, 44, 47].every((t) => held("run", t)),
      },
      {
        text: () =>
          `Go on like this with ${k("nextUncertain")} and ${k("accept")}. What you cannot tell is no shame: ${k("unsure")}.`,
        done: () => model.openRuns.length === 0,
      },
      { text: () => `Nothing has to be saved. Submit with ${k("submit")}.`, done: () => false },
    ];
  }
  return [
    {
      text: () =>
        `The camera turns here and the model missed it: white is its guess. Select the turn, frames 13 to 20: go to 13, press ${k("selectIn")}, go to 20, press ${k("selectOut")}.`,
      done: () => model.selection !== null && model.selection.end - model.selection.start >= 6,
    },
    { text: () => `Start camera mode with ${k("camera")}.`, done: () => model.mode === "camera" },
    {
      text: () =>
        "Press → three times: 6 degrees to the right in each frame. The yellow arrow shows it.",
      done: () => {
        const yaw = model.data.project.axes.findIndex((a) => a.input === "dx");
        return Math.abs(model.document.camera[yaw][15] - 6) < 1.1;
      },
    },
    { text: () => `Leave camera mode with ${k("clear")}.`, done: () => model.mode === "normal" },
    {
      text: () =>
        `The player strafes right from frame 21 on, not from 25. Pick the lane with ${k("laneUp")} and ${k("laneDown")}, go to frame 25 and move its edge with ${k("nudgeEarlier")}.`,
      done: () => [20, 21, 22, 23].every((t) => held("right", t)),
    },
    {
      text: () =>
        `Hide and show the model's opinion with ${k("prediction")}: sometimes it is better not to know.`,
      done: () => (saw.predicted ||= !model.showPrediction),
    },
    { text: () => `Decide the other runs, then submit with ${k("submit")}.`, done: () => false },
  ];
}

function cleanSteps(model: CleanModel): Step[] {
  const count = (label: string): number => model.document.labels.filter((l) => l === label).length;
  return [
    {
      text: () =>
        `Is this clean play, as the game shows it? Then press ${k("clean")}. The next frame comes by itself.`,
      done: () => count("clean") >= 2,
    },
    {
      text: () =>
        `A webcam in the corner is an artifact: ${k("webcam")}. A watermark: ${k("watermark")}. Text: ${k("overlay")}.`,
      done: () => count("artifacts") >= 1,
    },
    {
      text: () => `A menu, a desktop, another game: none of the above, ${k("none")}.`,
      done: () => count("none") >= 1,
    },
    {
      text: () => `${k("grid")} changes between the page of sixteen and one large frame.`,
      done: () => !model.grid,
    },
    {
      text: () =>
        `When all odd ones are labelled, ${k("acceptPage")} says that the rest of the page is clean.`,
      done: () => model.open === 0,
    },
    { text: () => `Submit with ${k("submit")}.`, done: () => false },
  ];
}

export function Coach({ model, clean }: { model?: ReviewModel; clean?: CleanModel }) {
  const [, update] = useReducer((n: number) => n + 1, 0);
  const steps = useRef<Step[]>([]);
  const at = useRef(0);
  if (!steps.current.length)
    steps.current = model ? reviewSteps(model) : clean ? cleanSteps(clean) : [];
  while (at.current < steps.current.length - 1 && steps.current[at.current].done()) at.current += 1;
  useEffect(() => {
    const timer = window.setInterval(() => update(0), 300); // some steps end without a key
    return () => window.clearInterval(timer);
  }, []);
  return (
    <section class="coach" aria-live="polite" aria-label="Tour" data-step={at.current}>
      <b>
        {at.current + 1} / {steps.current.length}
      </b>
      <p>{steps.current[at.current].text()}</p>
    </section>
  );
}
