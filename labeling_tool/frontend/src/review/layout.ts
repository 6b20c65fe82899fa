// Where things stand on the timeline, in CSS pixels: rows, lanes, frames.

import { computed, signal } from "@preact/signals";
import type { ReviewModel } from "./model";
import { limit } from "./ranges";

// The room for the lanes' names, and the rows' heights.
export const GUTTER = 136;
export const STRIP = 44;
export const RULER = 16;
export const DOUBT = 16;
export const FOLD = 18; // the line that says which lanes are folded away
export const AXIS = 36;
export const OVERVIEW = 10;
export const MARGIN = 8; // right and below
/** How high a lane may be: to be read at all; as it fits; where somebody has made much room. */
export const LANE = { low: 13, fitting: 22, high: 48 };
export const RULER_TOP = STRIP;
export const DOUBT_TOP = STRIP + RULER;
export const LANES_TOP = DOUBT_TOP + DOUBT;

export type Hit =
  | { row: "strip" | "ruler" | "doubt" | "fold" | "overview" }
  | { row: "lane"; lane: number }
  | { row: "axis"; axis: number };

interface Size {
  width: number;
  height: number;
  laneHeight: number;
}

export class Layout {
  readonly size = signal<Size>({ width: 0, height: 0, laneHeight: 18 });
  /** What decides where things stand: a new object only when something of it changes. */
  readonly place = computed(() => {
    const { start, end } = this.model.view;
    const lanes = this.model.fold.shown.value;
    return { ...this.size.value, lanes, fold: this.foldHeight, start: start.value, end: end.value };
  });

  constructor(readonly model: ReviewModel) {}

  /** The line about lanes that are folded away stands where there were any that may be. */
  private get foldHeight(): number {
    return this.model.fold.isOffered ? FOLD : 0;
  }

  /** The size of the timeline where it has some room, with lanes of a height at most. */
  sizeIn(width: number, room: number, high: number): Size {
    const lanes = Math.max(1, this.model.fold.shown.value.length);
    const fixed = LANES_TOP + this.foldHeight + this.model.axes * AXIS + OVERVIEW + MARGIN;
    const laneHeight = limit(Math.floor((room - fixed) / lanes), LANE.low, high);
    return { width, height: fixed + lanes * laneHeight, laneHeight };
  }

  laneTop(lane: number): number {
    const { lanes, laneHeight } = this.place.value;
    return LANES_TOP + lanes.indexOf(lane) * laneHeight;
  }

  /** Below the lanes: the line about those that are folded away. */
  get foldTop(): number {
    const { lanes, laneHeight } = this.place.value;
    return LANES_TOP + lanes.length * laneHeight;
  }

  get curvesTop(): number {
    return this.foldTop + this.place.value.fold;
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
    const { lanes, laneHeight } = this.place.value;
    const lane = lanes[Math.floor((y - LANES_TOP) / laneHeight)];
    if (lane !== undefined) return { row: "lane", lane };
    if (y < this.curvesTop) return { row: "fold" };
    const axis = Math.floor((y - this.curvesTop) / AXIS);
    return axis < this.model.axes ? { row: "axis", axis } : { row: "overview" };
  }

  /** Degrees that a height stands for in an axis' row; outside it, the most that the row shows. */
  axisValue(axis: number, y: number): number {
    const scale = this.axisScale(axis);
    const middle = this.curvesTop + (axis + 0.5) * AXIS;
    return Math.max(-scale, Math.min(scale, ((middle - y) / (AXIS / 2 - 3)) * scale));
  }

  /** It stays while an edit is drawn: a curve that grew under the pointer would run away. */
  axisScale(axis: number): number {
    const { edited, predictions, data } = this.model;
    const { unit, low, high } = data.project.axes[axis];
    if (!unit) return Math.max(-low, high);
    let largest = 2; // degrees: noise around zero should look like nothing
    for (const curve of [edited.value.camera[axis], predictions.camera[axis]])
      for (const degrees of curve) largest = Math.max(largest, Math.abs(degrees));
    return largest;
  }
}
