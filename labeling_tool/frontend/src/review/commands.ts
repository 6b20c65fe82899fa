// What each command of action review does.

import { type Commands, type FindAction, taskCommands } from "../task/commands";
import type { TaskControl } from "../task/control";
import type { ReviewModel } from "./model";

/** In camera mode some keys mean something else: arrows turn, 0 stops. */
const cameraCommands = (model: ReviewModel): Commands => ({
  previous: () => model.turn("dx", -1),
  next: () => model.turn("dx", 1),
  laneUp: () => model.turn("dy", -1),
  laneDown: () => model.turn("dy", 1),
  "lane:9": () => model.stopCamera(),
  nudgeEarlier: () => model.changeStep(-1),
  nudgeLater: () => model.changeStep(1),
  accept: () => model.setMode("camera"),
});

const editCommands = (model: ReviewModel): Commands => ({
  accept: () => model.accept(),
  unsure: () => model.mark("unsure"),
  invalid: () => model.mark("invalid"),
  laneUp: () => model.moveLane(-1),
  laneDown: () => model.moveLane(1),
  toggle: () => model.toggleLane(model.lane.value),
  paint: () => model.setMode("paint"),
  erase: () => model.setMode("erase"),
  nudgeEarlier: () => model.nudge(-1),
  nudgeLater: () => model.nudge(1),
  camera: () => model.toggleCamera(),
  release: () => model.edit("release"),
  reset: () => model.edit("reset"),
  selectRun: () => model.selectRun(),
});

const viewCommands = (model: ReviewModel): Commands => ({
  play: () => model.togglePlay(),
  stop: () => model.stop(),
  back: () => model.shuttle(-1),
  forward: () => model.shuttle(1),
  nextUncertain: () => model.jumpUncertain(1),
  previousUncertain: () => model.jumpUncertain(-1),
  nextEdge: () => model.jumpEdge(1),
  previousEdge: () => model.jumpEdge(-1),
  prediction: () => {
    model.showPrediction.value = !model.showPrediction.value;
  },
  onion: () => {
    model.onion.value = !model.onion.value;
  },
  zoom: () => model.zoomIn(),
});

export function reviewCommands(model: ReviewModel, control: TaskControl): FindAction {
  const commands = {
    ...taskCommands(model, control),
    ...editCommands(model),
    ...viewCommands(model),
  };
  const camera = cameraCommands(model);
  return (command, event) => {
    // These two step in every mode: the arrows turn the camera in its own.
    const steps = event.key === "," || event.key === ".";
    if (model.mode.value === "camera" && !steps && camera[command]) return camera[command];
    if (command.startsWith("lane:")) return () => model.toggleLane(Number(command.slice(5)));
    return commands[command];
  };
}
