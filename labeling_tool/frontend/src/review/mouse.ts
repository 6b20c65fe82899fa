// The mouse on the timeline: drag in a lane paints, in a curve bends, in the film strip selects; the wheel zooms.

import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import type { ReviewModel } from "./model";
import type { Timeline } from "./timeline";

type Drag =
  | { kind: "seek"; overview: boolean }
  | { kind: "select"; from: number }
  | { kind: "paint"; lane: number; value: 0 | 1; from: number; to: number }
  | { kind: "bend"; axis: number; values: Map<number, number>; last: number };

export function useTimelineMouse(
  canvas: RefObject<HTMLCanvasElement | null>,
  timeline: RefObject<Timeline | null>,
  model: ReviewModel,
): void {
  useEffect(() => {
    const target = canvas.current!;
    let drag: Drag | null = null;

    const place = (event: PointerEvent | WheelEvent): { x: number; y: number } => {
      const box = target.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };

    const down = (event: PointerEvent): void => {
      if (event.button !== 0) return;
      const { x, y } = place(event);
      const hit = timeline.current!.hit(y);
      const frame = timeline.current!.frameAt(x);
      target.setPointerCapture(event.pointerId);
      if (hit.row === "lane" && x > 128) {
        const value = model.document.buttons[hit.lane][frame] ? 0 : 1;
        model.lane = hit.lane;
        drag = model.readOnly
          ? { kind: "seek", overview: false }
          : { kind: "paint", lane: hit.lane, value, from: frame, to: frame };
        model.seek(frame);
      } else if (hit.row === "lane") {
        model.lane = hit.lane;
        model.onView();
        return;
      } else if (hit.row === "axis" && !model.readOnly && x > 128) {
        model.seek(frame);
        drag = {
          kind: "bend",
          axis: hit.axis,
          values: new Map([[frame, timeline.current!.axisValue(hit.axis, hit.y)]]),
          last: frame,
        };
      } else if (hit.row === "strip") {
        drag = { kind: "select", from: frame };
        model.seek(frame);
      } else {
        drag = { kind: "seek", overview: hit.row === "overview" };
        model.seek(hit.row === "overview" ? timeline.current!.frameInOverview(x) : frame);
      }
      model.onFrame();
    };

    const move = (event: PointerEvent): void => {
      if (!drag) return;
      const { x, y } = place(event);
      const frame = timeline.current!.frameAt(x);
      if (drag.kind === "seek")
        model.seek(drag.overview ? timeline.current!.frameInOverview(x) : frame);
      else if (drag.kind === "select") {
        if (frame !== drag.from)
          model.selection = {
            start: Math.min(frame, drag.from),
            end: Math.max(frame, drag.from) + 1,
          };
        model.seek(frame);
        model.onFrame();
      } else if (drag.kind === "paint") {
        // Shown at once, saved as one operation when the button goes up.
        drag.to = frame;
        const [start, end] = [Math.min(drag.from, frame), Math.max(drag.from, frame) + 1];
        model.document.buttons[drag.lane].fill(drag.value, start, end);
        model.frame = frame;
        model.onLabels();
      } else {
        const hit = timeline.current!.hit(y);
        const height = hit.row === "axis" && hit.axis === drag.axis ? hit.y : y < 200 ? 0 : 36;
        const value = timeline.current!.axisValue(drag.axis, height);
        const [from, to] = [Math.min(drag.last, frame), Math.max(drag.last, frame)];
        for (let t = from; t <= to; t++) drag.values.set(t, value);
        const curve = model.document.camera[drag.axis];
        for (const [t, v] of drag.values) curve[t] = v;
        drag.last = frame;
        model.frame = frame;
        model.onLabels();
      }
    };

    const up = (): void => {
      const done = drag;
      drag = null;
      if (!done) return;
      if (done.kind === "paint") {
        const start = Math.min(done.from, done.to);
        const end = Math.max(done.from, done.to) + 1;
        model.log.push("paint", { lane: done.lane, start, end, value: done.value });
      } else if (done.kind === "bend") {
        const frames = [...done.values.keys()].sort((a, b) => a - b);
        const [start, end] = [frames[0], frames[frames.length - 1] + 1];
        const values = Array.from(
          { length: end - start },
          (_, i) => done.values.get(start + i) ?? model.document.camera[done.axis][start + i],
        );
        model.setCamera(done.axis, { start, end }, values);
      }
    };

    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      const next = event.deltaY < 0 ? model.zoom * 2 : model.zoom / 2;
      model.zoom = Math.min(8, Math.max(1, next));
      model.onView();
    };

    target.addEventListener("pointerdown", down);
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", up);
    target.addEventListener("pointercancel", up);
    target.addEventListener("wheel", wheel, { passive: false });
    return () => {
      target.removeEventListener("pointerdown", down);
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", up);
      target.removeEventListener("pointercancel", up);
      target.removeEventListener("wheel", wheel);
    };
  }, [model]);
}
