// What clicks, keys and doubts come to in action review, without a browser.

import "./stub_browser";
import { BUTTONS, FRAMES, review, SPAN, timelineOf } from "./made_up_review";
import assert from "node:assert/strict";
import { test } from "node:test";
import { axisText } from "../../../labeling_tool/frontend/src/review/axes";
import type { ReviewModel } from "../../../labeling_tool/frontend/src/review/model";
import { TimelinePointer } from "../../../labeling_tool/frontend/src/review/mouse";
import { Player } from "../../../labeling_tool/frontend/src/review/playback";
import { GUTTER, LANES_TOP } from "../../../labeling_tool/frontend/src/review/layout";
import { loopSpeed } from "../../../labeling_tool/frontend/src/review/watch";
import { pressesOf } from "../../../labeling_tool/frontend/src/review/ranges";
import type { Operation } from "../../../labeling_tool/frontend/src/types";

const LANE = 22; // px

const edits = (model: ReviewModel) =>
  model.log.all.value.map(({ kind, payload }) => ({ kind, ...payload }));

/** The same numbers at every run, in [0, 1). */
function numbers(): () => number {
  let seed = 1;
  return () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
}

test("a click that trembles goes there and paints nothing; a drag paints what it aimed at", () => {
  const random = numbers();
  for (const zoom of [1, 2, 4, 8]) {
    const model = review();
    const pointer = new TimelinePointer(timelineOf(model), model);
    while (model.view.zoom.value < zoom) model.view.zoomIn(model.frame.value);
    for (let click = 0; click < 250; click++) {
      model.seek(Math.floor(random() * FRAMES)); // wherever the view may be
      const view = model.view.start.value;
      const shown = model.view.end.value - view;
      const x = GUTTER + random() * (SPAN - 20);
      const lane = Math.floor(random() * BUTTONS.length);
      const y = LANES_TOP + LANE * (lane + 0.5);
      const frameAt = (x: number) => view + Math.floor(((x - GUTTER) / SPAN) * shown);
      pointer.press(x, y);
      for (let i = 0; i < 3; i++) pointer.move(x + 4 * random() - 2, y + 4 * random() - 2);
      pointer.release();
      assert.equal(model.view.start.value, view, "the view moved under the pointer");
      assert.equal(edits(model).length, 0);
      assert.deepEqual([model.frame.value, model.lane.value], [frameAt(x), lane]);
      const to = Math.min(GUTTER + SPAN - 1, x + 10 + 300 * random());
      pointer.press(x, y);
      pointer.move(to, y + 4 * random() - 2);
      pointer.release();
      const aimed = { start: frameAt(x), end: frameAt(to) + 1 };
      const painted = edits(model).map((edit) => {
        const { kind, lane, start, end } = edit;
        return { kind, lane, start, end };
      });
      assert.deepEqual(painted, [{ kind: "paint", lane, ...aimed }]);
      model.log.pending.value = []; // nothing is held again
    }
  }
});

test("a drag holds from where it began to where it ends, in the view in which it began", () => {
  const model = review();
  const pointer = new TimelinePointer(timelineOf(model), model);
  model.view.zoomBy(4, 0); // frames 0 to 31
  const at = (frame: number): number => GUTTER + ((frame + 0.5) / 32) * SPAN;
  const y = LANES_TOP + 1.5 * LANE;
  pointer.press(at(20), y);
  pointer.move(at(30), y);
  pointer.wheel(at(30), -1);
  model.seek(100); // a key in between scrolls nothing away
  pointer.move(at(26), y);
  pointer.release();
  assert.deepEqual(edits(model), [{ kind: "paint", lane: 1, value: 1, start: 20, end: 27 }]);
  assert.deepEqual(model.presses.taken.value?.range, { start: 20, end: 27 });
});

const HELD: Predicted = { held: [[1, 20, 40], [2, 50, 60]] };

/** Drag in a lane between two boundaries of frames, given as frames with fractions. */
function drag(model: ReviewModel, lane: number, from: number, to: number, copies = false): void {
  const pointer = new TimelinePointer(timelineOf(model), model);
  const x = (frame: number): number => GUTTER + (frame / FRAMES) * SPAN;
  const y = LANES_TOP + LANE * (lane + 0.5);
  pointer.press(x(from), y, copies);
  pointer.move(x((from + to) / 2), y);
  pointer.move(x(to), y);
  pointer.release();
}

test("a press is taken by a click, stretched by its edges, moved by its middle, copied", () => {
  const model = review(HELD);
  drag(model, 1, 30.5, 30.6);
  assert.deepEqual([edits(model), model.presses.taken.value?.range], [[], { start: 20, end: 40 }]);
  drag(model, 1, 20.1, 25.2);
  drag(model, 1, 30.5, 33.5);
  drag(model, 1, 32.5, 80.5, true);
  assert.deepEqual(edits(model), [
    { kind: "press", lane: 1, start: 20, end: 40, to_start: 25, to_end: 40 },
    { kind: "press", lane: 1, start: 25, end: 40, to_start: 28, to_end: 43 },
    { kind: "paint", lane: 1, value: 1, start: 76, end: 91 },
  ]);
  assert.deepEqual(model.presses.taken.value?.range, { start: 76, end: 91 });
});

test("a dragged edge jumps to an edge of another lane that is near", () => {
  const model = review(HELD);
  drag(model, 1, 39.9, 49.4); // boundary 50 is 5 px away, 49 is 3
  assert.deepEqual(model.presses.taken.value?.range, { start: 20, end: 50 });
  model.presses.snapEdge(1);
  assert.deepEqual(model.presses.taken.value?.range, { start: 20, end: 60 });
});

test("a press in hand is moved by keys, split, copied, deleted, and undo takes each back", () => {
  const model = review(HELD);
  model.lane.value = 1;
  model.seek(38);
  model.takePress();
  assert.equal(model.presses.taken.value?.edge, "end");
  for (let i = 0; i < 3; i++) model.presses.moveEdge(-1);
  assert.deepEqual(model.presses.taken.value?.range, { start: 20, end: 37 });
  model.takePress(); // the other edge
  model.presses.moveEdge(2);
  model.presses.split(30);
  assert.deepEqual(model.presses.taken.value?.range, { start: 31, end: 37 });
  model.presses.copyTo(100);
  model.presses.move(1);
  assert.deepEqual(model.presses.taken.value?.range, { start: 101, end: 107 });
  model.presses.remove();
  assert.equal(model.presses.taken.value, null);
  const held = (): number => model.document.value.buttons[1].reduce((sum, one) => sum + one, 0);
  assert.equal(held(), 8 + 6);
  for (let i = 0; i < 8; i++) model.undo();
  assert.equal(held(), 20);
  assert.equal(model.log.undo(), false);
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

test("a curve is bent to where the pointer is, however often it trembles there", () => {
  const model = review();
  const timeline = timelineOf(model);
  model.log.push("camera", { axis: 0, start: 8, end: 9, values: [10] }); // nothing else is as large
  const pointer = new TimelinePointer(timeline, model);
  const { curvesTop } = timeline.layout;
  const [x, y] = [GUTTER + (8.5 / FRAMES) * SPAN, curvesTop + 10.5]; // half as high as it was
  pointer.press(x, curvesTop + 3);
  for (let i = 0; i < 10; i++) pointer.move(x, y + (i % 2));
  pointer.move(x, y);
  pointer.release();
  assert.deepEqual(edits(model).at(-1)?.values, [5]);
});

test("the wheel keeps the frame that is under the pointer there", () => {
  const model = review();
  const timeline = timelineOf(model);
  const pointer = new TimelinePointer(timeline, model);
  const x = GUTTER + 0.75 * SPAN;
  const frame = timeline.layout.frameAt(x);
  for (let i = 0; i < 3; i++) {
    pointer.wheel(x, -1);
    assert.ok(Math.abs(timeline.layout.frameAt(x) - frame) <= 1);
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

loopSpeed.value = 1; // what is played here is counted at the real speed

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
  model.watch.toggle();
  const shown = play(model, 3);
  assert.deepEqual([...shown], Array.from({ length: 20 }, (_, t) => t)); // 0 to 15, and 4 more
  assert.equal(model.watch.playing.value, 1);
});

test("Enter accepts the run that was watched, wherever playing stopped", () => {
  const model = review(RUNS);
  model.watch.shuttle(1); // on and on, into the next run
  play(model, 1.2);
  model.watch.stop();
  assert.equal(model.frame.value, 24);
  model.watch.accept();
  assert.deepEqual(accepted(model), [{ kind: "accept", start: 0, end: 16 }]);
  assert.deepEqual([model.frame.value, model.watch.run.value], [20, { start: 20, end: 36 }]);
});

test("back from beyond the run leads to its start, not to the next run's", () => {
  const model = review(RUNS);
  model.watch.shuttle(1);
  play(model, 1.2);
  model.watch.stop();
  model.watch.jump(-1);
  model.watch.accept();
  assert.deepEqual(accepted(model), [{ kind: "accept", start: 0, end: 16 }]);
});

test("a few steps past its end keep the run in hand; a click elsewhere takes another", () => {
  const model = review(RUNS);
  const pointer = new TimelinePointer(timelineOf(model), model);
  model.seek(15);
  for (let i = 0; i < 4; i++) model.step(1);
  assert.deepEqual(model.watch.run.value, { start: 0, end: 16 });
  const click = (frame: number): void => {
    pointer.press(GUTTER + ((frame + 0.5) / FRAMES) * SPAN, 50);
    pointer.release();
  };
  click(22);
  assert.deepEqual(model.watch.run.value, { start: 20, end: 36 });
  click(100);
  assert.equal(model.watch.run.value, null);
  model.watch.accept(); // nothing in hand: on to the first open run
  assert.deepEqual([accepted(model), model.frame.value], [[], 0]);
});

test("nothing is accepted that is not in view", () => {
  const model = review(RUNS);
  model.view.zoomBy(8, 100);
  assert.ok(model.view.start.value > 16);
  model.watch.accept();
  assert.deepEqual(accepted(model), []);
  assert.equal(model.view.start.value, 0);
  model.watch.accept();
  assert.deepEqual(accepted(model), [{ kind: "accept", start: 0, end: 16 }]);
});

test("accepting while a run is looped loops the next one", () => {
  const model = review(RUNS);
  model.watch.toggle();
  play(model, 0.5);
  model.watch.accept();
  assert.deepEqual(model.watch.loop.value, { start: 16, end: 40 });
  assert.ok([...play(model, 3)].every((frame) => frame >= 16 && frame < 40));
});

test("a run that comes in hand is played at once where runs are watched, at half the speed", () => {
  loopSpeed.value = 0.5;
  const model = review(RUNS);
  model.watch.start();
  assert.deepEqual(model.watch.loop.value, { start: 0, end: 20 });
  assert.equal(model.watch.playing.value, 0.5);
  assert.equal(play(model, 1).size, 11); // 20 frames a second
  model.pressLaneKey(0); // nobody can aim at a frame now: where nothing is held it only stops
  assert.deepEqual([edits(model), model.watch.playing.value], [[], 0]);
  model.watch.accept();
  assert.deepEqual(model.watch.loop.value, { start: 16, end: 40 });
  model.watch.shuttle(-1);
  assert.equal(model.watch.playing.value, 0.25);
  model.step(1); // whoever steps looks at single frames
  assert.equal(model.watch.playing.value, 0);
  loopSpeed.value = 1;
});

test("the selection is looped where there is one", () => {
  const model = review(RUNS);
  model.selection.set({ start: 60, end: 64 });
  model.watch.toggle();
  assert.deepEqual([...play(model, 1)], [60, 61, 62, 63]);
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

test("what one is led to stays in view: a loop elsewhere ends, one that plays it goes on", () => {
  const model = review({ held: [[0, 10, 14], [1, 12, 16]] });
  model.watch.play({ start: 60, end: 70 });
  assert.equal(model.confirmSubmit(), false);
  assert.deepEqual([model.frame.value, model.watch.playing.value], [12, 0]);
  model.setLane(2, { start: 62, end: 64 }, 1);
  model.watch.play({ start: 60, end: 70 });
  model.undo();
  assert.deepEqual([model.frame.value, model.watch.playing.value], [62, loopSpeed.value]);
  model.watch.play({ start: 80, end: 90 });
  model.redo();
  assert.deepEqual([model.frame.value, model.watch.playing.value], [62, 0]);
});

test("what nobody claims does not contradict itself", () => {
  const model = review({
    held: [
      [2, 10, 14],
      [3, 10, 14],
    ],
  });
  model.seek(10);
  model.watch.mark("invalid");
  model.selection.set({ start: 11, end: 13 });
  model.watch.mark("unsure");
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
  assert.deepEqual(model.watch.runs, [
    { start: 40, end: 48 },
    { start: 90, end: 95 },
  ]);
  assert.deepEqual([model.frame.value, model.lane.value], [40, 2]);
});

test("what is held although the model thinks it unlikely is in doubt", () => {
  const model = review({ held: [[1, 10, 14]], probability: [[1, 12, 14, 0.41]] });
  assert.deepEqual(model.watch.runs, [{ start: 12, end: 14 }]);
});

test("a reviewer walks from change to change, and their own changes are told apart", () => {
  const change = { id: "theirs", kind: "paint", user_id: 2, seq: 1, client_ms: 0 };
  const saved = [{ ...change, payload: { lane: 1, start: 40, end: 44, value: 1 } }];
  const model = review(RUNS, { owner: 2, saved: saved as Operation[] });
  assert.deepEqual([model.watch.runs, model.frame.value], [[{ start: 40, end: 44 }], 40]);
  assert.equal(model.annotated.value, null);
  model.seek(41);
  model.toggleLane(1);
  model.remark("held longer, I think");
  assert.equal(model.annotated.value!.buttons[1][41], 1);
  assert.equal(model.document.value.buttons[1][41], 0);
  assert.deepEqual(
    model.remarks.value.map(({ start, end, text }) => ({ start, end, text })),
    [{ start: 41, end: 42, text: "held longer, I think" }],
  );
});

test("the game's keys that are held while a loop runs are written into their lanes", () => {
  const model = review(RUNS);
  model.playAlong();
  assert.deepEqual([model.mode.value, model.watch.loop.value], ["along", { start: 0, end: 20 }]);
  const player = new Player(model);
  const until = (ms: number, from: number): void => {
    for (let now = from; now <= ms; now += 20) player.tick(now);
  };
  until(400, 0); // to frame 8
  assert.ok(model.along.down("KeyW") && model.along.down("Mouse0"));
  assert.ok(!model.along.down("ControlLeft")); // with W it would close the page
  until(600, 420);
  const tapEnd = model.frame.value;
  model.along.up("Mouse0");
  until(1200, 620); // once around: W is held over the end
  const end = model.frame.value;
  assert.ok(end < 8, `frame ${end}`);
  model.along.up("KeyW");
  const held = (lane: number) => pressesOf(model.document.value.buttons[lane]);
  assert.deepEqual(held(2), [{ start: 8, end: tapEnd + 1 }]);
  assert.deepEqual(held(0), [
    { start: 0, end: end + 1 },
    { start: 8, end: 20 },
  ]);
  model.clear();
  assert.equal(model.mode.value, "normal");
});

test("arrows move a stick by tenths as far as it goes, and its lane shows its whole way", () => {
  const stick = { name: "left_y", input: "gamepad.left_y", unit: "", low: -1, high: 1 };
  const trigger = { ...stick, name: "gas", input: "gamepad.right_trigger", low: 0 };
  const model = review({ axes: [trigger, stick] });
  for (let press = 0; press < 12; press++) model.camera.turn("dy", -1);
  model.camera.turn("dx", 1); // there is none that goes across
  assert.equal(edits(model).length, 12);
  assert.deepEqual(edits(model)[0], { kind: "camera", axis: 1, start: 0, end: 1, values: [-0.1] });
  assert.deepEqual(edits(model)[11].values, [-1]);
  assert.equal(timelineOf(model).layout.axisScale(1), 1);
  assert.equal(axisText(stick, -0.004), "0.00");
  assert.equal(axisText({ ...stick, unit: "degrees" }, -1.26), "-1.3°");
});
