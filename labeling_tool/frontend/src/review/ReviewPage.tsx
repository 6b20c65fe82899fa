// Action review: the frame, what was held at it, and the piano roll of the whole task.

import { useLayoutEffect, useMemo, useReducer, useRef } from "preact/hooks";
import { commandFor, keyOf } from "../keys";
import { Coach } from "../pages/Coach";
import { Button } from "../parts";
import { Notices, TaskHeader, type TaskState, useControl, Verdict } from "../taskframe";
import { ReviewModel } from "./model";
import { useTimelineMouse } from "./mouse";
import { usePlayback } from "./playback";
import { SidePanel } from "./SidePanel";
import { Stage } from "./stage";
import { GUTTER, Timeline } from "./timeline";

export function ReviewPage({ state }: { state: TaskState }) {
  const model = useMemo(
    () => new ReviewModel(state.opened.data, state.opened.pictures, state.log, state.readOnly),
    [state],
  );
  const control = useControl(state, "review", () => model.relabel());
  const [, update] = useReducer((n: number) => n + 1, 0);
  const stage = useRef<Stage | null>(null);
  const timeline = useRef<Timeline | null>(null);
  const stageBox = useRef<HTMLDivElement>(null);
  const timelineBox = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLCanvasElement>(null);
  const overPicture = useRef<HTMLCanvasElement>(null);
  const lanes = useRef<HTMLCanvasElement>(null);
  const overLanes = useRef<HTMLCanvasElement>(null);

  // Before the first paint, as the keys below: whoever sees a frame may press a key.
  useLayoutEffect(() => {
    const theStage = new Stage(picture.current!, overPicture.current!, model);
    const theTimeline = new Timeline(lanes.current!, overLanes.current!, model);
    stage.current = theStage;
    timeline.current = theTimeline;
    model.onFrame = () => {
      theStage.draw();
      theTimeline.drawOver();
      update(0);
    };
    model.onLabels = () => {
      theStage.draw();
      theTimeline.draw();
      update(0);
    };
    model.onView = () => {
      theStage.draw(true);
      theTimeline.draw();
      update(0);
    };
    const resize = (): void => {
      const room = Math.max(240, window.innerHeight * 0.46);
      theTimeline.resize(timelineBox.current!.clientWidth, room);
      const box = stageBox.current!;
      theStage.resize(box.clientWidth, Math.max(160, box.clientHeight));
    };
    const theme = (): void => theTimeline.themeChanged();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    resize();
    resize(); // the timeline's height decides the stage's
    window.addEventListener("resize", resize);
    window.addEventListener("themechange", theme);
    dark.addEventListener("change", theme);
    timelineBox.current!.focus({ preventScroll: true });
    return () => {
      window.removeEventListener("resize", resize);
      window.removeEventListener("themechange", theme);
      dark.removeEventListener("change", theme);
    };
  }, [model]);

  usePlayback(model);
  useTimelineMouse(overLanes, timeline, model);

  const submit = (): void => {
    const open = model.openRuns.length;
    if (open && !model.submitArmed && !state.readOnly) {
      model.submitArmed = true;
      model.say(
        `${open} uncertain ${open === 1 ? "run is" : "runs are"} still open. Press again to submit all the same.`,
      );
      return;
    }
    void control.submit();
  };

  useLayoutEffect(() => {
    const commands: Record<string, () => void> = {
      play: () => {
        model.playing = model.playing ? 0 : 1;
        model.onView();
      },
      next: () => model.seek(model.frame + 1),
      previous: () => model.seek(model.frame - 1),
      next10: () => model.seek(model.frame + 10),
      previous10: () => model.seek(model.frame - 10),
      first: () => model.seek(0),
      last: () => model.seek(model.frames - 1),
      back: () => model.shuttle(-1),
      stop: () => {
        model.playing = 0;
        model.onView();
      },
      forward: () => model.shuttle(1),
      nextUncertain: () => model.jumpUncertain(1),
      previousUncertain: () => model.jumpUncertain(-1),
      nextEdge: () => model.jumpEdge(1),
      previousEdge: () => model.jumpEdge(-1),
      accept: () => model.accept(),
      unsure: () => model.mark("unsure"),
      invalid: () => model.mark("invalid"),
      laneUp: () => model.moveLane(-1),
      laneDown: () => model.moveLane(1),
      toggle: () => model.toggleLane(model.lane),
      paint: () => model.setMode("paint"),
      erase: () => model.setMode("erase"),
      nudgeEarlier: () => model.nudge(-1),
      nudgeLater: () => model.nudge(1),
      camera: () => (model.axes ? model.setMode("camera") : model.say("This game has no camera.")),
      release: () => model.edit("release"),
      reset: () => model.edit("reset"),
      undo: () => state.readOnly || state.log.undo() || model.say("Nothing to undo."),
      redo: () => state.readOnly || state.log.redo() || model.say("Nothing to redo."),
      selectIn: () => model.selectFrom(),
      selectOut: () => model.selectTo(),
      clear: () => model.clearSelection(),
      selectRun: () => {
        const run = model.runAtFrame;
        if (run) model.select(run.start, run.end);
        else model.say("No uncertain run here.");
      },
      selectAll: () => model.select(0, model.frames),
      prediction: () => {
        model.showPrediction = !model.showPrediction;
        model.onView();
      },
      onion: () => {
        model.onion = !model.onion;
        model.onView();
      },
      zoom: () => {
        model.zoom = model.zoom >= 8 ? 1 : model.zoom * 2;
        model.onView();
      },
      submit,
      pause: () => void control.pause(),
      before: () => control.before(),
      skip: () => void control.release(),
      note: () => control.askNote(),
      help: () => control.showHelp(),
    };
    const camera: Record<string, () => void> = {
      previous: () => model.turn("dx", -1),
      next: () => model.turn("dx", 1),
      laneUp: () => model.turn("dy", -1),
      laneDown: () => model.turn("dy", 1),
      "lane:9": () => model.stopCamera(),
      nudgeEarlier: () => model.changeStep(-1),
      nudgeLater: () => model.changeStep(1),
      accept: () => model.setMode("camera"),
    };
    const onKey = (event: KeyboardEvent): void => {
      if (control.dialogOpen) return;
      const command = commandFor(event, "review");
      if (!command) return;
      event.preventDefault();
      // A held key may step, but must not undo a hundred edits or submit two tasks.
      if (event.repeat && !/^(next|previous)(10)?$|^lane(Up|Down)$|Edge$/.test(command)) return;
      state.log.noteInput();
      const stepping = event.key === "," || event.key === ".";
      if (model.mode === "camera" && camera[command] && !stepping) camera[command]();
      else if (command.startsWith("lane:")) model.toggleLane(Number(command.slice(5)));
      else commands[command]?.();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  });

  const { data } = state.opened;
  const held = data.project.buttons.filter((_, lane) => model.document.buttons[lane][model.frame]);
  const spoken = `frame ${model.frame + 1} of ${model.frames}, ${held.length ? `held: ${held.join(", ")}` : "nothing held"}`;
  return (
    <div
      class="review"
      data-task={data.task.id}
      data-assignment={data.assignment.id}
      data-mode={model.mode}
    >
      <TaskHeader control={control} />
      <Notices control={control} />
      <main class="review-main">
        <div class="left">
          <div class="stage" ref={stageBox}>
            <div class="stage-inner">
              <canvas ref={picture} id="picture" role="img" aria-label={`Picture of ${spoken}`} />
              <canvas ref={overPicture} class="over" aria-hidden="true" />
            </div>
            <p class="stage-line">
              frame {model.frame + 1} of {model.frames} ·{" "}
              {((data.task.start_ns + data.task.pts_ns[model.frame]) / 1e9).toFixed(3)} s{" · "}
              model {(100 * model.predictions.confidence[model.frame]).toFixed(0)} %
              {model.playing
                ? ` · ${model.playing > 0 ? "▶" : "◀"} ${Math.abs(model.playing)}×`
                : ""}
              {model.mode !== "normal" ? <b class="mode"> {modeText(model)}</b> : null}
            </p>
          </div>
          <div
            class="timeline"
            ref={timelineBox}
            tabIndex={0}
            role="slider"
            aria-label="Timeline"
            aria-valuemin={1}
            aria-valuemax={model.frames}
            aria-valuenow={model.frame + 1}
            aria-valuetext={spoken}
            data-frame={model.frame}
            style={{ "--gutter": `${GUTTER}px` }}
          >
            <canvas ref={lanes} aria-hidden="true" />
            <canvas ref={overLanes} class="over" aria-hidden="true" id="lanes" />
          </div>
        </div>
        <SidePanel model={model} control={control} onSubmit={submit} />
        {data.project.practice && !state.readOnly ? <Coach model={model} /> : null}
      </main>
      <footer class="hintbar">
        <span role="status" aria-live="polite">
          {model.notice || runText(model)}
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

function modeText(model: ReviewModel): string {
  if (model.mode === "camera")
    return `camera: arrows turn by ${model.cameraStep}°, − and = change that, 0 stops, Esc ends`;
  const lane = model.data.project.buttons[model.lane];
  return model.mode === "paint"
    ? `holding ${lane} while you step`
    : `releasing ${lane} while you step`;
}

function runText(model: ReviewModel): string {
  const { runs, openRuns } = model;
  if (model.selection) return `Selected: ${model.selection.end - model.selection.start} frames`;
  if (!runs.length) return "The model was sure everywhere. Look it through, then submit.";
  if (!openRuns.length) return "Every uncertain run is decided.";
  return `${openRuns.length} of ${runs.length} uncertain runs open`;
}
