// What clicks, keys and doubts come to in action review, without a browser.

import { canvas } from "./stub_browser";
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationLog } from "../../../labeling_tool/frontend/src/oplog";
import { ReviewModel } from "../../../labeling_tool/frontend/src/review/model";
import { TimelinePointer } from "../../../labeling_tool/frontend/src/review/mouse";
import { Player } from "../../../labeling_tool/frontend/src/review/playback";
import { GUTTER, Timeline } from "../../../labeling_tool/frontend/src/review/timeline";
import type { OpenTask } from "../../../labeling_tool/frontend/src/task/useTask";

const BUTTONS = ["forward", "back", "left", "right"];
const FRAMES = 128;
const [WIDTH, LANES_TOP, LANE] = [1072, 60, 22]; // px
const SPAN = WIDTH - GUTTER - 8;

let assignments = 0;

interface Predicted {
  held?: [lane: number, start: number, end: number][];
  probability?: [lane: number, start: number, end: number, value: number][];
  confidence?: [start: number, end: number, value: number][];
}

/** A review of 128 frames in which the model is sure that nothing is held, but for what is said. */
function review({ held = [], probability = [], confidence = [] }: Predicted = {}): ReviewModel {
  const rows = BUTTONS.map(() => new Array(FRAMES).fill(0));
  const likely = BUTTONS.map(() => new Array(FRAMES).fill(0.01));
  const sure = new Array(FRAMES).fill(0.95);
  for (const [lane, start, end] of held) rows[lane].fill(1, start, end);
  for (const [lane, start, end] of held) likely[lane].fill(0.99, start, end);
  for (const [lane, start, end, value] of probability) likely[lane].fill(value, start, end);
  for (const [start, end, value] of confidence) sure.fill(value, start, end);
  const data = {
    assignment: { id: ++assignments, seq: 0 },
    mine: true,
    task: { frames: FRAMES, pts_ns: Array.from({ length: FRAMES }, (_, t) => 5e7 * t) },
    project: {
      threshold: 0.8,
      buttons: BUTTONS,
      exclusive: [
        [0, 1],
        [2, 3],
      ],
      axes: [{ name: "yaw", input: "dx", max_deg: 60 }],
    },
    predictions: {
      buttons: rows.map((row) => row.join("")),
      buttons_prob: likely,
      camera: [new Array(FRAMES).fill(0)],
      confidence: sure,
      valid: "1".repeat(FRAMES),
    },
    operations: [],
  };
  const log = new OperationLog(1, assignments, [], 0);
  return new ReviewModel({
    opened: { data, pictures: { width: 640, height: 480, frames: [] } },
    log,
    readOnly: false,
  } as unknown as OpenTask);
}

function timelineOf(model: ReviewModel): Timeline {
  const timeline = new Timeline(canvas(), canvas(), model);
  timeline.resize(WIDTH, 1000);
  return timeline;
}

const edits = (model: ReviewModel) =>
  model.log.all.value.map(({ kind, payload }) => ({ kind, ...payload }));

test("a click that trembles paints the frame under the pointer, at every zoom", () => {
  let seed = 1;
  const random = (): number => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  for (const zoom of [1, 2, 4, 8]) {
    const model = review();
    const pointer = new TimelinePointer(timelineOf(model), model);
    while (model.zoom.value < zoom) model.zoomIn();
    for (let click = 0; click < 250; click++) {
      model.seek(Math.floor(random() * FRAMES)); // wherever the view may be
      const view = model.viewStart.value;
      const shown = model.viewEnd.value - view;
      const x = GUTTER + random() * (SPAN - 1);
      const lane = Math.floor(random() * BUTTONS.length);
      const y = LANES_TOP + LANE * (lane + 0.5);
      const aimed = view + Math.floor(((x - GUTTER) / SPAN) * shown);
      const before = edits(model).length;
      pointer.press(x, y);
      for (let i = 0; i < 3; i++) pointer.move(x + 4 * random() - 2, y + 4 * random() - 2);
      pointer.release();
      assert.equal(model.viewStart.value, view, "the view moved under the pointer");
      const made = edits(model).slice(before);
      assert.deepEqual(
        made.map(({ kind, lane, start, end }) => ({ kind, lane, start, end })),
        [{ kind: "paint", lane, start: aimed, end: aimed + 1 }],
      );
    }
  }
});

test("a drag paints from where it began to where it ends, in the view in which it began", () => {
  const model = review();
  const pointer = new TimelinePointer(timelineOf(model), model);
  model.zoomBy(4, 0); // frames 0 to 31
  const at = (frame: number): number => GUTTER + ((frame + 0.5) / 32) * SPAN;
  const y = LANES_TOP + 1.5 * LANE;
  pointer.press(at(20), y);
  pointer.move(at(30), y);
  pointer.wheel(at(30), -1);
  model.seek(100); // a key in between scrolls nothing away
  pointer.move(at(26), y);
  pointer.release();
  assert.deepEqual(edits(model), [{ kind: "paint", lane: 1, value: 1, start: 20, end: 27 }]);
});

test("a drag that the browser takes away is no edit", () => {
  const model = review();
  const pointer = new TimelinePointer(timelineOf(model), model);
  pointer.press(GUTTER + 300, LANES_TOP + 5);
  pointer.move(GUTTER + 400, LANES_TOP + 5);
  pointer.cancel();
  assert.deepEqual(edits(model), []);
  assert.ok(model.document.value.buttons[0].every((value) => value === 0));
});

test("the wheel keeps the frame that is under the pointer there", () => {
  const model = review();
  const timeline = timelineOf(model);
  const pointer = new TimelinePointer(timeline, model);
  const x = GUTTER + 0.75 * SPAN;
  const frame = timeline.frameAt(x);
  for (let i = 0; i < 3; i++) {
    pointer.wheel(x, -1);
    assert.ok(Math.abs(timeline.frameAt(x) - frame) <= 1);
  }
});

test("a click elsewhere while stepping paints nothing of what lies between", () => {
  const model = review();
  const pointer = new TimelinePointer(timelineOf(model), model);
  model.seek(0);
  model.setMode("paint");
  const before = edits(model).length;
  pointer.press(GUTTER + 0.5 * SPAN, 50); // above the lanes
  pointer.release();
  assert.equal(model.frame.value, 64);
  assert.equal(edits(model).length, before);
});

const RUNS: Predicted = { confidence: [[0, 16, 0.3], [20, 36, 0.3]] };

/** Play for so many seconds, at 50 pictures a second of the display. */
function play(model: ReviewModel, seconds: number): Set<number> {
  const player = new Player(model);
  const shown = new Set<number>();
  for (let i = 0; i <= 50 * seconds; i++) {
    player.tick(20 * i);
    shown.add(model.frame.value);
  }
  return shown;
}

const accepted = (model: ReviewModel) =>
  edits(model).map(({ kind, start, end }) => ({ kind, start, end }));

test("Space plays the run in hand again and again, with a little around it", () => {
  const model = review(RUNS);
  model.togglePlay();
  const shown = play(model, 3);
  assert.deepEqual([...shown], Array.from({ length: 20 }, (_, t) => t)); // 0 to 15, and 4 more
  assert.equal(model.playing.value, 1);
});

test("Enter accepts the run that was watched, wherever playing stopped", () => {
  const model = review(RUNS);
  model.shuttle(1); // on and on, into the next run
  play(model, 1.2);
  model.stop();
  assert.equal(model.frame.value, 24);
  model.accept();
  assert.deepEqual(accepted(model), [{ kind: "accept", start: 0, end: 16 }]);
  assert.deepEqual([model.frame.value, model.run.value], [20, { start: 20, end: 36 }]);
});

test("back from beyond the run leads to its start, not to the next run's", () => {
  const model = review(RUNS);
  model.shuttle(1);
  play(model, 1.2);
  model.stop();
  model.jumpUncertain(-1);
  model.accept();
  assert.deepEqual(accepted(model), [{ kind: "accept", start: 0, end: 16 }]);
});

test("a few steps past its end keep the run in hand; a click elsewhere takes another", () => {
  const model = review(RUNS);
  const pointer = new TimelinePointer(timelineOf(model), model);
  model.seek(15);
  for (let i = 0; i < 4; i++) model.step(1);
  assert.deepEqual(model.run.value, { start: 0, end: 16 });
  const click = (frame: number): void => {
    pointer.press(GUTTER + ((frame + 0.5) / FRAMES) * SPAN, 50);
    pointer.release();
  };
  click(22);
  assert.deepEqual(model.run.value, { start: 20, end: 36 });
  click(100);
  assert.equal(model.run.value, null);
  model.accept(); // nothing in hand: on to the first open run
  assert.deepEqual([accepted(model), model.frame.value], [[], 0]);
});

test("nothing is accepted that is not in view", () => {
  const model = review(RUNS);
  model.zoomBy(8, 100);
  assert.ok(model.viewStart.value > 16);
  model.accept();
  assert.deepEqual(accepted(model), []);
  assert.equal(model.viewStart.value, 0);
  model.accept();
  assert.deepEqual(accepted(model), [{ kind: "accept", start: 0, end: 16 }]);
});

test("accepting while a run is looped loops the next one", () => {
  const model = review(RUNS);
  model.togglePlay();
  play(model, 0.5);
  model.accept();
  assert.deepEqual(model.loop.value, { start: 16, end: 40 });
  assert.ok([...play(model, 3)].every((frame) => frame >= 16 && frame < 40));
});

test("opposite keys held together are found, and submit asks about them at the first", () => {
  const model = review({
    held: [
      [2, 10, 20],
      [3, 17, 24],
      [0, 30, 40],
      [1, 38, 50],
    ],
  });
  assert.deepEqual(model.clashes.value, [
    { start: 17, end: 20, lanes: [2, 3] },
    { start: 38, end: 40, lanes: [0, 1] },
  ]);
  assert.deepEqual([model.against(3, 18), model.against(3, 20)], [[2], []]);
  assert.equal(model.confirmSubmit(), false);
  assert.equal(model.frame.value, 17);
  assert.match(model.notice.value, /^left and right exclude .* frame 18 \(and 1 more\)\. Press/);
  assert.equal(model.confirmSubmit(), true); // asked once, somebody may know better
});

test("what nobody claims does not contradict itself", () => {
  const model = review({
    held: [
      [2, 10, 14],
      [3, 10, 14],
    ],
  });
  model.seek(10);
  model.mark("invalid");
  model.selection.set({ start: 11, end: 13 });
  model.mark("unsure");
  assert.deepEqual(model.clashes.value, [{ start: 13, end: 14, lanes: [2, 3] }]);
  model.clear();
  model.seek(13);
  model.toggleLane(3);
  assert.equal(model.confirmSubmit(), true);
});

test("doubt is about a lane and a press, not about every frame", () => {
  const model = review({
    probability: [
      [0, 0, 128, 0.15],
      [1, 0, 128, 0.15],
      [2, 0, 128, 0.15],
      [3, 0, 128, 0.15],
      [2, 40, 48, 0.45],
    ],
    confidence: [
      [0, 128, 0.85 ** 4], // 52 %: each lane is likely, all of them together are not
      [40, 48, 0.85 ** 3 * 0.55],
      [90, 95, 0.85 ** 4 * 0.4], // which no button explains
    ],
  });
  const frames = (row: Uint8Array): number[] => [...row.keys()].filter((t) => row[t]);
  const press = [40, 41, 42, 43, 44, 45, 46, 47];
  assert.deepEqual(model.doubts.lanes.map(frames), [[], [], press, []]);
  assert.deepEqual(frames(model.doubts.camera), [90, 91, 92, 93, 94]);
  assert.deepEqual(model.runs, [
    { start: 40, end: 48 },
    { start: 90, end: 95 },
  ]);
  assert.deepEqual([model.frame.value, model.lane.value], [40, 2]);
});

test("what is held although the model thinks it unlikely is in doubt", () => {
  const model = review({ held: [[1, 10, 14]], probability: [[1, 12, 14, 0.41]] });
  assert.deepEqual(model.runs, [{ start: 12, end: 14 }]);
});
