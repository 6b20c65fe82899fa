// The project's instructions beside the work: at first sight of them by itself, later by its key.

import { keyOf } from "../keys";
import { Button } from "../parts";
import type { TaskControl } from "./control";

export function Drawer({ control }: { control: TaskControl }) {
  const { instructions, name } = control.data.project;
  if (!control.drawer.value) return null;
  return (
    <aside class="drawer" aria-label="Instructions">
      <h2>{name}</h2>
      <p class="instructions" translate>
        {instructions || "This project has no instructions."}
      </p>
      <Button kind="primary" hint={keyOf("instructions")} onClick={() => control.toggleDrawer()}>
        Understood
      </Button>
    </aside>
  );
}
