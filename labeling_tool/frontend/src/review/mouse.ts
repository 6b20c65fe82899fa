// The mouse on the timeline: drag in a lane paints, in a curve bends, in the film strip selects;
// the wheel zooms. What a press hits is what lies under the pointer: while a button is down the
// view stays where it is, and a click that trembles is still a click.

import { batch } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import { between } from "../task/selection";
import type { Kind, Payload } from "../types";
import { type ReviewModel, roundDegrees } from "./model";
import { GUTTER, type Timeline } from "./timeline";

type Drag =
  | { kind: "seek"; overview: boolean }
  | { kind: "select"; from: number }
  | { kind: "paint"; lane: number; value: 0 | 1; from: number; to: number }
  | { kind: "bend"; axis: number; values: Map<number, number>; last: number };

const NAMES_END = GUTTER - 8; // px: left of it lie the lanes' names, which only choose a lane
const DRAG_PX = 4; // a hand that clicks trembles by less; only beyond it has the mouse been dragged

/** The edit that a drag stands for so far. */
function editOf(drag: Drag): { kind: Kind; payload: Payload } | null {
  if (drag.kind === "paint") {
    const { lane, value } = drag;
    return { kind: "paint", payload: { lane, value, ...between(drag.from, drag.to) } };
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

  press(x: number, y: number): void {
    this.model.hold(true);
    this.pressed = { x, y };
    this.dragged = false;
    this.drag = this.begin(x, y);
    this.model.draft(this.drag && editOf(this.drag)); // seen already while the button is down
  }

  private begin(x: number, y: number): Drag | null {
    const { model, timeline } = this;
    const frame = timeline.frameAt(x);
    const hit = timeline.hit(y);
    if (hit.row === "lane") {
      model.lane.value = hit.lane;
      if (x <= NAMES_END) return null;
      const value = model.document.value.buttons[hit.lane][frame] ? 0 : 1;
      model.point(frame);
      return model.readOnly
        ? { kind: "seek", overview: false }
        : { kind: "paint", lane: hit.lane, value, from: frame, to: frame };
    }
    if (hit.row === "axis" && !model.readOnly && x > NAMES_END) {
      model.point(frame);
      const values = new Map([[frame, timeline.axisValue(hit.axis, y)]]);
      return { kind: "bend", axis: hit.axis, values, last: frame };
    }
    if (hit.row === "overview") {
      model.hold(false); // it is there to scroll, and paints nothing
      model.scrollTo(timeline.frameInOverview(x));
      return { kind: "seek", overview: true };
    }
    model.point(frame);
    return hit.row === "strip"
      ? { kind: "select", from: frame }
      : { kind: "seek", overview: false };
  }

  move(x: number, y: number): void {
    const { drag, model, timeline } = this;
    if (!drag) return;
    if (!this.dragged && Math.hypot(x - this.pressed.x, y - this.pressed.y) < DRAG_PX) return;
    this.dragged = true;
    const frame = timeline.frameAt(x);
    if (drag.kind === "seek") {
      if (drag.overview) model.scrollTo(timeline.frameInOverview(x));
      else model.point(frame);
      return;
    }
    if (drag.kind === "select") {
      if (frame !== drag.from) model.selection.range.value = between(frame, drag.from);
      model.point(frame);
      return;
    }
    if (drag.kind === "paint") drag.to = frame;
    else {
      // Whatever the mouse jumped over since its last event is bent as well.
      const value = timeline.axisValue(drag.axis, y);
      const { start, end } = between(drag.last, frame);
      for (let t = start; t < end; t++) drag.values.set(t, value);
      drag.last = frame;
    }
    const edit = editOf(drag);
    batch(() => {
      model.draft(edit); // shown at once, saved as one operation when the button goes up
      model.point(frame);
    });
  }

  release(): void {
    const edit = this.drag && editOf(this.drag);
    this.cancel();
    if (edit) this.model.log.push(edit.kind, edit.payload);
  }

  /** The browser has taken the pointer away: what was not finished is no edit. */
  cancel(): void {
    this.drag = null;
    this.model.draft(null);
    this.model.hold(false);
  }

  wheel(x: number, deltaY: number): void {
    this.model.zoomBy(deltaY < 0 ? 2 : 1 / 2, this.timeline.frameAt(x));
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

    const place = (event: MouseEvent): [number, number] => {
      const box = target.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const down = (event: PointerEvent): void => {
      if (event.button !== 0) return;
      target.setPointerCapture(event.pointerId);
      pointer.press(...place(event));
    };
    const move = (event: PointerEvent): void => pointer.move(...place(event));
    const up = (): void => batch(() => pointer.release());
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      pointer.wheel(place(event)[0], event.deltaY);
    };

    const listening = new AbortController();
    const { signal } = listening;
    target.addEventListener("pointerdown", down, { signal });
    target.addEventListener("pointermove", move, { signal });
    target.addEventListener("pointerup", up, { signal });
    target.addEventListener("pointercancel", () => pointer.cancel(), { signal });
    target.addEventListener("wheel", wheel, { signal, passive: false });
    return () => listening.abort();
  }, [model]);
}
