// What each command of action review does.

import type { Commands } from "../keys";
import { type FindAction, taskCommands } from "../task/commands";
import type { TaskControl } from "../task/control";
import { flip, look, toggleFull } from "./look";
import type { ReviewModel } from "./model";

/** In camera mode some keys mean something else: arrows turn, 0 stops. */
const cameraCommands = (model: ReviewModel): Commands => ({
  previous: () => model.camera.turn("dx", -1),
  next: () => model.camera.turn("dx", 1),
  laneUp: () => model.camera.turn("dy", -1),
  laneDown: () => model.camera.turn("dy", 1),
  "lane:9": () => model.camera.stop(),
  nudgeEarlier: () => model.camera.changeStep(-1),
  nudgeLater: () => model.camera.changeStep(1),
  accept: () => model.setMode("camera"),
});

/** With a press in hand, too: its edges, its place, what becomes of it. */
const pressCommands = (model: ReviewModel): Commands => ({
  previousEdge: () => model.presses.snapEdge(-1),
  nextEdge: () => model.presses.snapEdge(1),
  nudgeEarlier: () => model.presses.move(-1),
  nudgeLater: () => model.presses.move(1),
  selectRun: () => model.presses.split(model.frame.value),
  note: () => model.presses.copyTo(model.frame.value),
  takePress: () => model.presses.swapEdge(),
});

const editCommands = (model: ReviewModel): Commands => {
  /** What is about the frame on screen ends a loop first: nobody can aim at one that runs. */
  const still = (edit: () => void) => (): void => {
    if (model.watch.loop.value) model.watch.stop();
    edit();
  };
  return {
    accept: () => model.watch.accept(),
    unsure: () => model.watch.mark("unsure"),
    invalid: still(() => model.watch.mark("invalid")),
    laneUp: () => model.moveLane(-1),
    laneDown: () => model.moveLane(1),
    takePress: () => model.takePress(),
    deletePress: () => model.presses.remove(),
    toggle: still(() => model.toggleLane(model.lane.value)),
    paint: still(() => model.setMode("paint")),
    erase: still(() => model.setMode("erase")),
    nudgeEarlier: still(() => model.nudge(-1)),
    nudgeLater: still(() => model.nudge(1)),
    playAlong: () => model.playAlong(),
    camera: still(() => model.toggleCamera()),
    release: still(() => model.edit("release")),
    reset: still(() => model.edit("reset")),
    selectRun: () => model.watch.select(),
    takeAnswer: () => {
      const run = model.watch.decided;
      if (run && model.answers.length) model.takeAnswer(model.answers[0], run);
    },
  };
};

const viewCommands = (model: ReviewModel): Commands => ({
  play: () => model.watch.toggle(),
  stop: () => model.watch.stop(),
  back: () => model.watch.shuttle(-1),
  forward: () => model.watch.shuttle(1),
  nextUncertain: () => model.watch.jump(1),
  previousUncertain: () => model.watch.jump(-1),
  nextEdge: () => model.jumpEdge(1),
  previousEdge: () => model.jumpEdge(-1),
  prediction: () => flip(model.showPrediction),
  onion: () => flip(model.onion),
  zoom: () => {
    const selected = model.selection.range.value;
    if (!selected || !model.view.fit(selected)) model.view.zoomIn(model.frame.value);
  },
  neighbors: () => flip(look.neighbors),
  magnify: () => flip(look.lens),
  sharp: () => flip(look.sharp),
  fold: () => flip(look.folds),
  fullScreen: toggleFull,
  marker: () => model.markers.toggle(model.frame.value),
  nextMarker: () => model.nextMarker(),
});

const TICKS: Record<string, number> = { ",": -1, ".": 1 };

export function reviewCommands(model: ReviewModel, control: TaskControl): FindAction {
  const commands = {
    ...taskCommands(model, control),
    ...editCommands(model),
    ...viewCommands(model),
  };
  const camera = cameraCommands(model);
  const press = pressCommands(model);
  return (command, event) => {
    const tick = TICKS[event.key] ?? 0;
    const isTaken = model.presses.taken.value !== null && !model.readOnly;
    if (isTaken && tick) return () => model.presses.moveEdge(tick);
    // Else these two step in every mode: the arrows turn the camera in its own.
    if (model.mode.value === "camera" && !tick && camera[command]) return camera[command];
    if (isTaken && press[command]) return press[command];
    if (command.startsWith("lane:")) return () => model.pressLaneKey(Number(command.slice(5)));
    return commands[command];
  };
}
