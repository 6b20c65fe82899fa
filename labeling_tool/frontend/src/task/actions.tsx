// The last buttons of the panel beside the work, in both kinds of it.

import { keyOf } from "../keys";
import { Button } from "../parts";
import type { TaskControl } from "./control";

export function TaskActions({ control }: { control: TaskControl }) {
  return (
    <>
      <Button hint={keyOf("undo")} onClick={() => control.model.undo()}>
        Undo
      </Button>
      <Button hint={keyOf("redo")} onClick={() => control.model.redo()}>
        Redo
      </Button>
      {control.data.mine ? (
        <Button
          hint={keyOf("submit")}
          kind="primary"
          id="submit"
          class="whole"
          onClick={() => void control.submit()}
        >
          Submit, next task
        </Button>
      ) : null}
    </>
  );
}
