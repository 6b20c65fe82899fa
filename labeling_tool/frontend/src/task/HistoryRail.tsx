// The last edits beside the work, newest first; each leads to where it was made.

import { effective } from "../document";
import { operationText } from "../operation_text";
import type { TaskModel } from "./model";

const SHOWN = 40; // further back one looks at the history's own page

export function HistoryRail({ model }: { model: TaskModel }) {
  const all = model.log.all.value;
  const standing = new Set(effective(all).map((op) => op.id));
  const edits = all.filter((op) => op.kind !== "undo" && op.kind !== "redo");
  if (!edits.length) return null;
  return (
    <ol class="rail" aria-label="Last edits">
      {edits
        .slice(-SHOWN)
        .reverse()
        .map((op) => (
          <li key={op.id} class={standing.has(op.id) ? "" : "undone"}>
            <button type="button" onClick={() => model.leadTo(op.payload.start ?? 0)}>
              {operationText(op, model.data.project, all)}
              {standing.has(op.id) ? "" : " (undone)"}
            </button>
          </li>
        ))}
    </ol>
  );
}
