// Reviews of made-up predictions, without a browser.

import { canvas } from "./stub_browser";
import { OperationLog } from "../../../labeling_tool/frontend/src/oplog";
import { GUTTER } from "../../../labeling_tool/frontend/src/review/layout";
import { ReviewModel } from "../../../labeling_tool/frontend/src/review/model";
import { Timeline } from "../../../labeling_tool/frontend/src/review/timeline";
import type { Axis, Operation } from "../../../labeling_tool/frontend/src/types";
import type { OpenTask } from "../../../labeling_tool/frontend/src/task/useTask";

export const BUTTONS = ["forward", "back", "left", "right"];
export const FRAMES = 128;
const WIDTH = 1072; // px
/** Of all frames in view, in pixels. */
export const SPAN = WIDTH - GUTTER - 8;

let assignments = 0;

interface Predicted {
  held?: [lane: number, start: number, end: number][];
  probability?: [lane: number, start: number, end: number, value: number][];
  confidence?: [start: number, end: number, value: number][];
  axes?: Axis[];
  /** Of how many lanes; beyond the four that have a name they are called after their number. */
  lanes?: number;
}

const YAW: Axis = { name: "yaw", input: "dx", unit: "degrees", low: -60, high: 60 };

/** A review of 128 frames in which the model is sure that nothing is held, but for what is said. */
export function review(
  {
    held = [],
    probability = [],
    confidence = [],
    axes = [YAW],
    lanes = BUTTONS.length,
  }: Predicted = {},
  { owner = 1, saved = [] }: { owner?: number; saved?: Operation[] } = {},
): ReviewModel {
  const buttons = Array.from({ length: lanes }, (_, lane) => BUTTONS[lane] ?? `button.${lane}`);
  const rows = buttons.map(() => new Array(FRAMES).fill(0));
  const likely = buttons.map(() => new Array(FRAMES).fill(0.01));
  const sure = new Array(FRAMES).fill(0.95);
  for (const [lane, start, end] of held) rows[lane].fill(1, start, end);
  for (const [lane, start, end] of held) likely[lane].fill(0.99, start, end);
  for (const [lane, start, end, value] of probability) likely[lane].fill(value, start, end);
  for (const [start, end, value] of confidence) sure.fill(value, start, end);
  const data = {
    assignment: { id: ++assignments, seq: 0, user_id: owner, finished: owner !== 1 },
    mine: owner === 1,
    may_review: owner !== 1,
    task: { frames: FRAMES, pts_ns: Array.from({ length: FRAMES }, (_, t) => 5e7 * t) },
    project: {
      threshold: 0.8,
      buttons,
      inputs: ["key.keyboard.w", "key.keyboard.s", "mouse.0", "key.keyboard.left.control"],
      exclusive: [
        [0, 1],
        [2, 3],
      ],
      axes,
    },
    predictions: {
      buttons: rows.map((row) => row.join("")),
      buttons_prob: likely,
      camera: axes.map(() => new Array(FRAMES).fill(0)),
      confidence: sure,
      valid: "1".repeat(FRAMES),
    },
    operations: [],
  };
  const log = new OperationLog(1, assignments, saved, saved.length);
  return new ReviewModel({
    opened: { data, pictures: { width: 640, height: 480, frames: [] } },
    log,
    readOnly: false,
  } as unknown as OpenTask);
}

/** A timeline with room for all lanes; `high` is the most that one of them takes, in pixels. */
export function timelineOf(model: ReviewModel, high?: number): Timeline {
  const timeline = new Timeline(canvas(), canvas(), model);
  timeline.resize(WIDTH, 1000, high);
  return timeline;
}
