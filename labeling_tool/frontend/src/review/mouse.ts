// The mouse on the timeline: drag in a lane paints, in a curve bends, in the film strip selects;
// the wheel zooms.

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

export function useTimelineMouse(
  canvas: RefObject<HTMLCanvasElement | null>,
  timelineRef: RefObject<Timeline | null>,
  model: ReviewModel,
): void {
  useEffect(() => {
    const target = canvas.current!;
    const timeline = timelineRef.current!;
    let drag: Drag | null = null;

    const place = (event: PointerEvent): { x: number; y: number; frame: number } => {
      const box = target.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      return { x, y, frame: timeline.frameAt(x) };
    };

    const begin = (event: PointerEvent): Drag | null => {
      const { x, y, frame } = place(event);
      const hit = timeline.hit(y);
      if (hit.row === "lane") {
        model.lane.value = hit.lane;
        if (x <= NAMES_END) return null;
        const value = model.document.value.buttons[hit.lane][frame] ? 0 : 1;
        model.seek(frame);
        return model.readOnly
          ? { kind: "seek", overview: false }
          : { kind: "paint", lane: hit.lane, value, from: frame, to: frame };
      }
      if (hit.row === "axis" && !model.readOnly && x > NAMES_END) {
        model.seek(frame);
        const values = new Map([[frame, timeline.axisValue(hit.axis, y)]]);
        return { kind: "bend", axis: hit.axis, values, last: frame };
      }
      const overview = hit.row === "overview";
      model.seek(overview ? timeline.frameInOverview(x) : frame);
      return hit.row === "strip" ? { kind: "select", from: frame } : { kind: "seek", overview };
    };

    const down = (event: PointerEvent): void => {
      if (event.button !== 0) return;
      target.setPointerCapture(event.pointerId);
      drag = begin(event);
    };

    const move = (event: PointerEvent): void => {
      if (!drag) return;
      const { x, y, frame } = place(event);
      if (drag.kind === "seek") {
        model.seek(drag.overview ? timeline.frameInOverview(x) : frame);
      } else if (drag.kind === "select") {
        if (frame !== drag.from) model.selection.range.value = between(frame, drag.from);
        model.seek(frame);
      } else {
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
          model.frame.value = frame;
        });
      }
    };

    const up = (): void => {
      const edit = drag && editOf(drag);
      drag = null;
      if (!edit) return;
      batch(() => {
        model.draft(null);
        model.log.push(edit.kind, edit.payload);
      });
    };

    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      model.zoomBy(event.deltaY < 0 ? 2 : 1 / 2);
    };

    const listening = new AbortController();
    const { signal } = listening;
    target.addEventListener("pointerdown", down, { signal });
    target.addEventListener("pointermove", move, { signal });
    target.addEventListener("pointerup", up, { signal });
    target.addEventListener("pointercancel", up, { signal });
    target.addEventListener("wheel", wheel, { signal, passive: false });
    return () => listening.abort();
  }, [model]);
}
