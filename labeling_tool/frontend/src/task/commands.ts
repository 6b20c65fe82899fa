// The commands that both kinds of work have, and the keys that run a command.

import { useLayoutEffect } from "preact/hooks";
import { type Commands, commandFor, commandsOf, keyOf, type Scope } from "../keys";
import type { Entry } from "../Palette";
import type { TaskControl } from "./control";
import type { TaskModel } from "./model";

/** Which action a command stands for now, if any. */
export type FindAction = (command: string, event: KeyboardEvent) => (() => void) | undefined;

// A held key may step, but must not undo a hundred edits or submit two tasks.
const REPEATS = /^(next|previous)(10)?$|^(up|down)$|^lane(Up|Down)$|Edge$/;

export function taskCommands(model: TaskModel, control: TaskControl): Commands {
  return {
    next: () => model.step(1),
    previous: () => model.step(-1),
    next10: () => model.step(model.stride),
    previous10: () => model.step(-model.stride),
    first: () => model.seek(0),
    last: () => model.seek(model.frames - 1),
    undo: () => model.undo(),
    redo: () => model.redo(),
    selectIn: () => model.selection.begin(model.frame.value),
    selectOut: () => model.selection.finish(model.frame.value),
    selectAll: () => model.selection.set({ start: 0, end: model.frames }),
    clear: () => model.clear(),
    submit: () => void control.submit(),
    pause: () => void control.pause(),
    before: () => control.before(),
    skip: () => void control.release(),
    note: () => control.askNote(),
    instructions: () => control.toggleDrawer(),
    palette: () => {
      control.palette.value = true;
    },
    help: () => {
      control.help.value = true;
    },
  };
}

/** The commands of a page as entries to search in; what they do needs the key's event nowhere. */
export function commandEntries(scope: Scope, control: TaskControl, find: FindAction): Entry[] {
  const decisions = control.verdicts.isOffered ? commandsOf("verdict") : [];
  return [...decisions, ...commandsOf(scope)]
    .filter(({ id }) => id !== "palette")
    .map(({ id, label }) => ({
      label,
      hint: keyOf(id),
      run: () => (control.verdicts.commands[id] ?? find(id, new KeyboardEvent("keydown")))?.(),
    }));
}

/** While the page is shown, its keys run its commands. */
export function useKeys(scope: Scope, control: TaskControl, find: FindAction): void {
  // Before the first paint: whoever sees a frame may press a key.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (control.dialogOpen.value) return;
      const decision = control.verdicts.isOffered ? commandFor(event, "verdict") : null;
      const decide = decision ? control.verdicts.commands[decision] : undefined;
      const command = decide ? decision : commandFor(event, scope);
      if (!command) return;
      event.preventDefault();
      if (event.repeat && !REPEATS.test(command)) return;
      control.log.noteInput();
      const action = decide ?? find(command, event);
      action?.();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [control]);
}
