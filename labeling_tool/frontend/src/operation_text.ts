// An operation in words, as the history of a task and the notice after an undo say it.

import { signOf } from "./review/axes";
import { rangeText } from "./review/ranges";
import type { Operation, TaskData } from "./types";

const curveText = (values: number[], unit = "degrees"): string =>
  values.length === 1 ? `${values[0]}${signOf(unit)}` : "a curve";

/** What somebody did. */
export function operationText(
  op: Operation,
  project: TaskData["project"],
  all: Operation[],
): string {
  const { start = 0, end = 0, lane = 0, axis = 0, value, values, label, reasons } = op.payload;
  const range = end - start === 1 ? `frame ${start + 1}` : `frames ${start + 1} to ${end}`;
  switch (op.kind) {
    case "paint":
      return `${value ? "held" : "released"} ${project.buttons[lane]} in ${range}`;
    case "press": {
      const to = { start: op.payload.to_start ?? 0, end: op.payload.to_end ?? 0 };
      const button = project.buttons[lane];
      return `moved ${button} from ${rangeText({ start, end })} to ${rangeText(to)}`;
    }
    case "camera": {
      const moved = project.axes[axis];
      return `set ${moved?.name} in ${range} to ${curveText(values!, moved?.unit)}`;
    }
    case "release":
      return `released everything in ${range}`;
    case "reset":
      return `went back to the prediction in ${range}`;
    case "accept":
      return `${value ? "accepted" : "took back the acceptance of"} ${range}`;
    case "unsure":
      return `${value ? "could not tell" : "could tell after all"} in ${range}`;
    case "invalid":
      return `${value ? "said there is no label" : "said there is a label"} in ${range}`;
    case "label":
      if (!label) return `took the label of ${range} away`;
      return `labelled ${range} ${[label, ...(reasons ?? [])].join(", ")}`;
    case "note":
      return `commented: ${op.payload.text}`;
    case "remark":
      return `remarked on ${range}: ${op.payload.text}`;
    case "undo":
    case "redo": {
      const target = all.find((other) => other.id === op.payload.op);
      return `${op.kind === "undo" ? "undid" : "redid"} number ${target?.seq ?? "?"}`;
    }
  }
}
