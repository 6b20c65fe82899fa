// What each command of clean-or-not does.

import type { Commands } from "../keys";
import { type FindAction, taskCommands } from "../task/commands";
import type { TaskControl } from "../task/control";
import { type CleanModel, LABELS, REASONS, ROW } from "./model";

export function cleanCommands(model: CleanModel, control: TaskControl): FindAction {
  const row = (): number => (model.grid.value ? ROW : 1);
  const commands: Commands = {
    ...taskCommands(model, control),
    up: () => model.step(-row()),
    down: () => model.step(row()),
    nextOpen: () => model.nextOpen(),
    grid: () => model.toggleGrid(),
    acceptPage: () => model.acceptPage(),
    unlabel: () => model.label(null),
    ...Object.fromEntries(LABELS.map(({ command, id }) => [command, () => model.label(id)])),
    ...Object.fromEntries(REASONS.map(({ command, id }) => [command, () => model.reason(id)])),
  };
  return (command) => commands[command];
}
