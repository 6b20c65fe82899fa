// What can be done with the press in hand, each with its key, while there is one.

import { keyOf } from "../keys";
import { Button, Key } from "../parts";
import type { ReviewModel } from "./model";

export function PressBar({ model }: { model: ReviewModel }) {
  const { presses } = model;
  const taken = presses.taken.value;
  if (!taken || model.readOnly) return null;
  return (
    <section class="row press" aria-label="Press in hand" data-press={presses.text}>
      <b>{presses.text}</b>
      <span class="muted">
        {taken.edge}: <Key k="," />
        <Key k="." /> snap: <Key k={keyOf("previousEdge")} />
        <Key k={keyOf("nextEdge")} />
      </span>
      <Button hint={keyOf("takePress")} kind="quiet" onClick={() => presses.swapEdge()}>
        Other edge
      </Button>
      <Button hint={keyOf("nudgeEarlier")} kind="quiet" onClick={() => presses.move(-1)}>
        Earlier
      </Button>
      <Button hint={keyOf("nudgeLater")} kind="quiet" onClick={() => presses.move(1)}>
        Later
      </Button>
      <Button
        hint={keyOf("selectRun")}
        kind="quiet"
        onClick={() => presses.split(model.frame.value)}
      >
        Split here
      </Button>
      <Button hint={keyOf("note")} kind="quiet" onClick={() => presses.copyTo(model.frame.value)}>
        Copy here
      </Button>
      <Button hint={keyOf("deletePress")} kind="quiet" onClick={() => presses.remove()}>
        Delete
      </Button>
    </section>
  );
}
