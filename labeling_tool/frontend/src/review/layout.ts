// Where things stand on the timeline, in CSS pixels: rows, lanes, frames.

import { computed, signal } from "@preact/signals";
import type { ReviewModel } from "./model";
import { limit } from "./ranges";

// The room for the lanes' names, and the rows' heights.
export const GUTTER = 136;
export const STRIP = 44;
export const RULER = 16;
export const DOUBT = 16;
export const AXIS = 36;
export const OVERVIEW = 10;
export const MARGIN = 8; // right and below
export const RULER_TOP = STRIP;
export const DOUBT_TOP = STRIP + RULER;
export const LANES_TOP = DOUBT_TOP + DOUBT;

export type Hit =
  | { row: "strip" | "ruler" | "doubt" | "overview" }
  | { row: "lane"; lane: number }
  | { row: "axis"; axis: number };

export class Layout {
  private readonly size = signal({ width: 0, height: 0, laneHeight: 18 });
  /** What decides where things stand: a new object only when something of it changes. */
  readonly place = computed(() => {
    const { start, end } = this.model.view;
    return { ...this.size.value, start: start.value, end: end.value };
  });

  constructor(readonly model: ReviewModel) {}

  private laneHeightFor(room: number): number {
    const share = Math.floor((room - this.fixed) / Math.max(1, this.model.lanes));
    return limit(share, 13, 22);
  }

  /** The height of everything but the lanes. */
  private get fixed(): number {
    return LANES_TOP + this.model.axes * AXIS + OVERVIEW + MARGIN;
  }

  /** How high the timeline is where it has some room. */
  heightFor(room: number): number {
    return this.fixed + this.model.lanes * this.laneHeightFor(room);
  }

  fit(width: number, room: number): void {
    const laneHeight = this.laneHeightFor(room);
    this.size.value = { width, height: this.heightFor(room), laneHeight };
  }

  laneTop(lane: number): number {
    return LANES_TOP + lane * this.place.value.laneHeight;
  }

  get curvesTop(): number {
    return LANES_TOP + this.model.lanes * this.place.value.laneHeight;
  }

  get curvesBottom(): number {
    return this.curvesTop + this.model.axes * AXIS;
  }

  /** The width of all frames in view. */
  get span(): number {
    return this.place.value.width - GUTTER - MARGIN;
  }

  x(frame: number): number {
    const { start, end } = this.place.value;
    return GUTTER + ((frame - start) / (end - start)) * this.span;
  }

  frameAt(x: number): number {
    const { start, end } = this.place.value;
    const frame = start + Math.floor(((x - GUTTER) / this.span) * (end - start));
    return Math.min(end - 1, Math.max(start, frame));
  }

  frameInOverview(x: number): number {
    const share = (x - GUTTER) / this.span;
    return Math.min(this.model.frames - 1, Math.max(0, Math.floor(share * this.model.frames)));
  }

  hit(y: number): Hit {
    if (y < STRIP) return { row: "strip" };
    if (y < DOUBT_TOP) return { row: "ruler" };
    if (y < LANES_TOP) return { row: "doubt" };
    const lane = Math.floor((y - LANES_TOP) / this.place.value.laneHeight);
    if (lane < this.model.lanes) return { row: "lane", lane };
    const axis = Math.floor((y - this.curvesTop) / AXIS);
    return axis < this.model.axes ? { row: "axis", axis } : { row: "overview" };
  }

  /** Degrees that a height stands for in an axis' row; outside it, the most that the row shows. */
  axisValue(axis: number, y: number): number {
    const scale = this.axisScale(axis);
    const middle = this.curvesTop + (axis + 0.5) * AXIS;
    return Math.max(-scale, Math.min(scale, ((middle - y) / (AXIS / 2 - 3)) * scale));
  }

  axisScale(axis: number): number {
    const { document, predictions, data } = this.model;
    const { unit, low, high } = data.project.axes[axis];
    if (!unit) return Math.max(-low, high);
    let largest = 2; // degrees: noise around zero should look like nothing
    for (const curve of [document.value.camera[axis], predictions.camera[axis]])
      for (const degrees of curve) largest = Math.max(largest, Math.abs(degrees));
    return largest;
  }
}
