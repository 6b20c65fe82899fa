// The mouse on the timeline. In a lane a press is an object: its edges are dragged, with snapping,
// its middle moves it, with Alt a copy of it; a click on nothing goes there, and a drag over
// nothing holds the frames it passes. In a curve a drag bends, in the film strip it selects, in the
// ruler it moves the playhead, or an end of the loop's brace; the wheel zooms. What a press hits is
// what lies under the pointer: while a button is down the view stays where it is, and a click that
// trembles is still a click.

import { batch } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import { between } from "../task/selection";
import type { FrameRange, Kind, Payload } from "../types";
import { roundDegrees } from "./camera_edits";
import { GUTTER } from "./layout";
import { flip, look } from "./look";
import type { ReviewModel } from "./model";
import type { Edge } from "./presses";
import { contains, pressesOf, sameRange } from "./ranges";
import type { Timeline } from "./timeline";

type Drag =
  | { kind: "seek"; overview: boolean }
  | { kind: "select"; from: number }
  | { kind: "paint"; lane: number; from: number; to: number }
  | { kind: "edge"; lane: number; range: FrameRange; edge: Edge; to: FrameRange }
  | { kind: "move"; lane: number; range: FrameRange; from: number; to: FrameRange; copies: boolean }
  | { kind: "brace"; from: number; to: FrameRange }
  | { kind: "bend"; axis: number; values: Map<number, number>; last: number };

const NAMES_END = GUTTER - 8; // px: left of it lie the lanes' names, which only choose a lane
const DRAG_PX = 4; // a hand that clicks trembles by less; only beyond it has the mouse been dragged
const EDGE_PX = 6; // how near to an edge one has hit it
const SNAP_PX = 7; // how near to an edge of the model or of another lane a dragged edge jumps to it

/** The edit that a drag stands for so far. */
function editOf(drag: Drag): { kind: Kind; payload: Payload } | null {
  if (drag.kind === "paint") {
    const payload = { lane: drag.lane, value: 1, ...between(drag.from, drag.to) };
    return { kind: "paint", payload };
  }
  if (drag.kind === "edge" || drag.kind === "move") {
    const { lane, range, to } = drag;
    if (sameRange(range, to)) return null;
    if (drag.kind === "move" && drag.copies)
      return { kind: "paint", payload: { lane, value: 1, ...to } };
    return { kind: "press", payload: { lane, ...range, to_start: to.start, to_end: to.end } };
  }
  if (drag.kind !== "bend") return null;
  const frames = [...drag.values.keys()].sort((a, b) => a - b);
  const values = frames.map((frame) => roundDegrees(drag.values.get(frame)!));
  const range = between(frames[0], frames[frames.length - 1]);
  return { kind: "camera", payload: { axis: drag.axis, values, ...range } };
}

/** What a press, its moves and its release do, in pixels of the timeline. */
export class TimelinePointer {
  private drag: Drag | null = null;
  private pressed = { x: 0, y: 0 };
  private dragged = false;

  constructor(
    private readonly timeline: Timeline,
    private readonly model: ReviewModel,
  ) {}

  private get layout() {
    return this.timeline.layout;
  }

  press(x: number, y: number, copies = false): void {
    const loop = this.model.watch.loop.value; // which a press stops, unless it takes its brace
    this.model.hold(true);
    this.pressed = { x, y };
    this.dragged = false;
    batch(() => {
      this.drag = this.beginBrace(x, y, copies, loop) ?? this.begin(x, y, copies);
      // A curve is bent where it is pressed already; a lane changes only under a drag.
      this.model.draft(this.drag?.kind === "bend" ? editOf(this.drag) : null);
    });
  }

  /** In the ruler: an end of the loop's brace, or with Alt a new one. */
  private beginBrace(x: number, y: number, isNew: boolean, loop: FrameRange | null): Drag | null {
    if (this.layout.hit(y).row !== "ruler" || x < GUTTER - EDGE_PX) return null;
    const at = this.layout.frameAt(x);
    if (isNew) return { kind: "brace", from: at, to: { start: at, end: at + 1 } };
    const edge = loop && this.braceUnder(x, loop);
    if (!edge) return null;
    this.model.watch.loop.value = loop; // it stands still, and stays
    return { kind: "brace", from: edge === "start" ? loop.end - 1 : loop.start, to: loop };
  }

  private braceUnder(x: number, { start, end }: FrameRange): Edge | null {
    if (Math.abs(this.layout.x(start) - x) < EDGE_PX) return "start";
    return Math.abs(this.layout.x(end) - x) < EDGE_PX ? "end" : null;
  }

  private begin(x: number, y: number, copies: boolean): Drag | null {
    const { layout, model } = this;
    const frame = layout.frameAt(x);
    const hit = layout.hit(y);
    if (hit.row === "lane") {
      model.lane.value = hit.lane;
      return x <= NAMES_END ? null : this.beginInLane(hit.lane, x, copies);
    }
    if (hit.row === "axis" && !model.readOnly && x > NAMES_END) {
      model.point(frame);
      const values = new Map([[frame, layout.axisValue(hit.axis, y)]]);
      return { kind: "bend", axis: hit.axis, values, last: frame };
    }
    if (hit.row === "fold") {
      model.hold(false);
      flip(look.folds);
      return null;
    }
    if (hit.row === "overview") {
      model.hold(false); // it is there to scroll, and paints nothing
      model.scrollTo(layout.frameInOverview(x));
      return { kind: "seek", overview: true };
    }
    model.point(frame);
    return hit.row === "strip"
      ? { kind: "select", from: frame }
      : { kind: "seek", overview: false };
  }

  private beginInLane(lane: number, x: number, copies: boolean): Drag {
    const { model } = this;
    const frame = this.layout.frameAt(x);
    const found = this.pressUnder(lane, x);
    model.point(frame);
    if (!found) {
      model.presses.letGo();
      return model.readOnly
        ? { kind: "seek", overview: false }
        : { kind: "paint", lane, from: frame, to: frame };
    }
    const { range, edge } = found;
    const near = frame - range.start < range.end - 1 - frame ? "start" : "end";
    model.presses.choose({ lane, range, edge: edge ?? near });
    if (model.readOnly) return { kind: "seek", overview: false };
    if (edge) return { kind: "edge", lane, range, edge, to: range };
    return { kind: "move", lane, range, from: frame, to: range, copies };
  }

  /** The press under the pointer, and which of its edges where it is at one. */
  pressUnder(lane: number, x: number): { range: FrameRange; edge: Edge | null } | null {
    const { layout, model } = this;
    for (const range of pressesOf(model.document.value.buttons[lane])) {
      const [from, to] = [layout.x(range.start), layout.x(range.end)];
      // A short press is mostly itself: its handles reach outwards, and inwards a quarter of it.
      const inwards = Math.min(EDGE_PX, (to - from) / 4);
      if (-EDGE_PX <= x - from && x - from < inwards) return { range, edge: "start" };
      if (-inwards <= x - to && x - to < EDGE_PX) return { range, edge: "end" };
      if (contains(range, layout.frameAt(x))) return { range, edge: null };
    }
    return null;
  }

  /** The frame boundary under the pointer, or the edge of the model or another lane beside it. */
  private snapped(lane: number, x: number): number {
    const { layout, model } = this;
    const near = (at: number): number => Math.abs(layout.x(at) - x);
    const snap = model.presses
      .snaps(lane)
      .filter((at) => near(at) <= SNAP_PX)
      .sort((a, b) => near(a) - near(b))[0];
    if (snap !== undefined) return snap;
    const frame = layout.frameAt(x);
    return near(frame) <= near(frame + 1) ? frame : frame + 1;
  }

  move(x: number, y: number): void {
    const { drag, layout, model } = this;
    if (!drag) return;
    if (!this.dragged && Math.hypot(x - this.pressed.x, y - this.pressed.y) < DRAG_PX) return;
    this.dragged = true;
    const frame = layout.frameAt(x);
    if (drag.kind === "seek") {
      if (drag.overview) model.scrollTo(layout.frameInOverview(x));
      else model.point(frame);
      return;
    }
    if (drag.kind === "brace") {
      drag.to = between(frame, drag.from);
      model.watch.loop.value = drag.to;
      model.point(frame);
      return;
    }
    if (drag.kind === "select") {
      if (frame !== drag.from) model.selection.range.value = between(frame, drag.from);
      model.point(frame);
      return;
    }
    let at = frame; // what the picture shows meanwhile
    if (drag.kind === "paint") drag.to = frame;
    else if (drag.kind === "edge") {
      const edge = this.snapped(drag.lane, x);
      drag.to = model.presses.stretched(drag.range, drag.edge, edge);
      at = drag.edge === "start" ? drag.to.start : drag.to.end - 1;
    } else if (drag.kind === "move") {
      drag.to = model.presses.moved(drag.range, frame - drag.from);
    } else {
      // Whatever the mouse jumped over since its last event is bent as well.
      const value = layout.axisValue(drag.axis, y);
      const { start, end } = between(drag.last, frame);
      for (let t = start; t < end; t++) drag.values.set(t, value);
      drag.last = frame;
    }
    const edit = editOf(drag);
    batch(() => {
      model.draft(edit); // shown at once, saved as one operation when the button goes up
      model.point(at);
    });
  }

  release(): void {
    const { drag, dragged, model } = this;
    const edit = drag && (dragged || drag.kind === "bend") ? editOf(drag) : null;
    this.cancel();
    if (drag?.kind === "brace" && drag.to.end - drag.to.start > 1) model.watch.play(drag.to);
    if (!drag || !edit) return;
    if (edit.kind === "paint") {
      // What was held there already is held: an edit that changes nothing is none.
      const { lane = 0, start = 0, end = 0 } = edit.payload;
      model.setLane(lane, { start, end }, 1);
      model.presses.choose({ lane, range: { start, end }, edge: "end" });
    } else if (drag.kind === "edge" || drag.kind === "move") {
      model.presses.stretch(drag.lane, drag.range, drag.to);
    } else model.log.push(edit.kind, edit.payload);
  }

  /** The browser took the pointer away, or Esc was pressed: what was not finished is no edit. */
  cancel(): void {
    this.drag = null;
    this.model.draft(null);
    this.model.hold(false);
  }

  /** The wheel zooms; sideways, or with Shift, it scrolls. */
  wheel(x: number, deltaY: number, deltaX = 0): void {
    const { view } = this.model;
    if (deltaX) view.scrollBy(Math.sign(deltaX));
    else view.zoomBy(deltaY < 0 ? 2 : 1 / 2, this.layout.frameAt(x));
  }

  /** The shape of the pointer: what a press there would do. */
  cursorAt(x: number, y: number): string {
    const hit = this.layout.hit(y);
    const loop = this.model.watch.loop.value;
    if (hit.row === "ruler" && loop && this.braceUnder(x, loop)) return "ew-resize";
    if (hit.row !== "lane" || x <= NAMES_END || this.model.readOnly) return "pointer";
    const found = this.pressUnder(hit.lane, x);
    if (!found) return "crosshair";
    return found.edge ? "ew-resize" : "grab";
  }
}

export function useTimelineMouse(
  canvas: RefObject<HTMLCanvasElement | null>,
  timelineRef: RefObject<Timeline | null>,
  model: ReviewModel,
): void {
  useEffect(() => {
    const target = canvas.current!;
    const pointer = new TimelinePointer(timelineRef.current!, model);

    let box = target.getBoundingClientRect();
    const place = (event: MouseEvent): [number, number] => {
      // What a press shows or hides on the page moves the timeline: until the button is up it
      // stays, for the pointer, where it was pressed, or a click would be a drag.
      if (!event.buttons || event.type === "pointerdown") box = target.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const down = (event: PointerEvent): void => {
      if (event.button !== 0) return;
      target.setPointerCapture(event.pointerId);
      pointer.press(...place(event), event.altKey);
    };
    const move = (event: PointerEvent): void => {
      pointer.move(...place(event));
      if (!event.buttons) target.style.cursor = pointer.cursorAt(...place(event));
    };
    const key = (event: KeyboardEvent): void => {
      if (event.key === "Escape") pointer.cancel();
    };
    const up = (): void => batch(() => pointer.release());
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
      pointer.wheel(place(event)[0], event.deltaY, sideways);
    };

    const listening = new AbortController();
    const { signal } = listening;
    target.addEventListener("pointerdown", down, { signal });
    target.addEventListener("pointermove", move, { signal });
    target.addEventListener("pointerup", up, { signal });
    target.addEventListener("pointercancel", () => pointer.cancel(), { signal });
    window.addEventListener("keydown", key, { signal });
    target.addEventListener("wheel", wheel, { signal, passive: false });
    return () => listening.abort();
  }, [model]);
}
