// How one looks at a task: folded lanes, markers, the loop's brace, the zoom.

import "./stub_browser";
import { FRAMES, review, SPAN, timelineOf } from "./made_up_review";
import assert from "node:assert/strict";
import { test } from "node:test";
import { GUTTER, LANES_TOP, RULER_TOP } from "../../../labeling_tool/frontend/src/review/layout";
import { divide, look, SHARES } from "../../../labeling_tool/frontend/src/review/look";
import { TimelinePointer } from "../../../labeling_tool/frontend/src/review/mouse";

const x = (frame: number): number => GUTTER + (frame / FRAMES) * SPAN;

const many = (held: [number, number, number][] = [[1, 10, 20]]) => review({ held, lanes: 9 });

test("lanes without a use fold away; a click hits the lane that is drawn there", () => {
  const model = many([[1, 10, 20], [6, 50, 60]]);
  assert.deepEqual(model.fold.shown.value, [0, 1, 6]); // 0 is where the cursor stands
  const timeline = timelineOf(model);
  const pointer = new TimelinePointer(timeline, model);
  pointer.press(x(55.5), LANES_TOP + 22 * 2.5);
  pointer.release();
  const taken = model.presses.taken.value?.range;
  assert.deepEqual([model.lane.value, taken], [6, { start: 50, end: 60 }]);
  pointer.press(x(55.5), LANES_TOP + 22 * 3 + 8); // the line below them
  pointer.release();
  assert.equal(model.fold.shown.value.length, 9);
  assert.equal(timeline.layout.hit(LANES_TOP + 22 * 2.5).row, "lane");
  look.folds.value = true;
});

test("a lane that somebody holds or goes to stays, whatever becomes of the press", () => {
  const model = many();
  model.pressLaneKey(7);
  assert.deepEqual(model.fold.shown.value, [0, 1, 7]);
  model.undo();
  model.lane.value = 1;
  assert.deepEqual(model.fold.shown.value, [0, 1, 7]);
  model.moveLane(1);
  assert.equal(model.lane.value, 7); // over what is folded
  model.moveLane(1);
  assert.equal(model.lane.value, 0);
});

test("nothing moves when the last of the unused lanes is gone to", () => {
  const model = many();
  look.folds.value = false;
  const timeline = timelineOf(model);
  const before = timeline.layout.place.value;
  for (let lane = 0; lane < 9; lane++) model.lane.value = lane;
  assert.deepEqual(model.fold.unused.value, []);
  assert.equal(timeline.layout.place.value.fold, before.fold);
  timeline.resize(before.width, 1000);
  assert.deepEqual(timeline.layout.place.value, before);
  look.folds.value = true;
});

test("a few lanes never fold", () => {
  assert.deepEqual(review().fold.shown.value, [0, 1, 2, 3]);
  assert.deepEqual(review().fold.unused.value, []);
});

test("lanes grow where somebody gives the timeline room, and the picture never vanishes", () => {
  const model = many();
  assert.equal(timelineOf(model).layout.place.value.laneHeight, 22);
  assert.equal(timelineOf(model, 48).layout.place.value.laneHeight, 48);
  divide(5);
  assert.equal(look.share.value, SHARES.high);
  divide(null);
});

test("markers are kept for the task, and lead from one to the next", () => {
  const model = review();
  for (const frame of [70, 20, 90, 70]) {
    model.seek(frame);
    model.markers.toggle(frame);
  }
  assert.deepEqual(model.markers.frames.value, [20, 90]);
  model.seek(50);
  for (const at of [90, 20]) {
    model.nextMarker();
    assert.equal(model.frame.value, at);
  }
});

test("the brace of a loop is dragged by its ends, and drawn anew with Alt", () => {
  const model = review();
  const timeline = timelineOf(model);
  const pointer = new TimelinePointer(timeline, model);
  const drag = (from: number, to: number, isNew = false): void => {
    pointer.press(x(from), RULER_TOP + 8, isNew);
    pointer.move(x(to), RULER_TOP + 8);
    pointer.release();
  };
  drag(20.5, 40.5, true);
  assert.deepEqual(model.watch.loop.value, { start: 20, end: 41 });
  assert.notEqual(model.watch.playing.value, 0);
  drag(41, 60.5);
  assert.deepEqual(model.watch.loop.value, { start: 20, end: 61 });
  drag(20, 30.5);
  assert.deepEqual(model.watch.loop.value, { start: 30, end: 61 });
  drag(80.5, 90.5); // elsewhere it moves the playhead, and nothing is looped
  assert.deepEqual([model.watch.loop.value, model.frame.value], [null, 90]);
});

test("zooming fits the selection first, and the wheel scrolls sideways", () => {
  const model = review();
  assert.ok(model.view.fit({ start: 40, end: 60 }));
  const { start, end } = model.view;
  assert.ok(start.value <= 40 && 60 <= end.value && end.value - start.value < 32);
  assert.equal(model.view.fit({ start: 40, end: 60 }), false);
  const before = start.value;
  const pointer = new TimelinePointer(timelineOf(model), model);
  pointer.wheel(x(30), 0, 50);
  assert.ok(start.value > before);
});

test("a speed holds for what plays, and for loops to come", () => {
  const model = review();
  model.watch.shuttle(-1);
  model.watch.setSpeed(0.1);
  assert.equal(model.watch.playing.value, -0.1);
  model.watch.play({ start: 0, end: 9 });
  assert.equal(model.watch.playing.value, 0.1);
});
