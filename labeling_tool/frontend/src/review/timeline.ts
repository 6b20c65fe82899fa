// The timeline: film strip, uncertainty, a lane per button, a curve per axis. The lanes are drawn
// when labels or the view change; a step draws only the playhead, on a second canvas above.

import { computed, signal } from "@preact/signals";
import { colors } from "./colors";
import type { ReviewModel } from "./model";

// In CSS pixels: the room for the lanes' names, and the rows' heights.
export const GUTTER = 136;
const STRIP = 44;
const DOUBT = 16;
const AXIS = 36;
const OVERVIEW = 10;
const MARGIN = 8; // right and below
const LANES_TOP = STRIP + DOUBT;

export type Hit =
  | { row: "strip" | "doubt" | "overview" }
  | { row: "lane"; lane: number }
  | { row: "axis"; axis: number };

/** Each of the two draw methods is to be run as an effect: it follows the signals that it reads. */
export class Timeline {
  private readonly size = signal({ width: 0, height: 0, laneHeight: 18 });
  /** What decides where things stand: a new object only when something of it changes. */
  private readonly place = computed(() => {
    const { viewStart, viewEnd } = this.model;
    return { ...this.size.value, start: viewStart.value, end: viewEnd.value };
  });

  constructor(
    readonly base: HTMLCanvasElement,
    readonly over: HTMLCanvasElement,
    readonly model: ReviewModel,
  ) {}

  resize(width: number, room: number): void {
    const { lanes, axes } = this.model;
    const fixed = LANES_TOP + axes * AXIS + OVERVIEW + MARGIN;
    const perLane = Math.floor((room - fixed) / Math.max(1, lanes));
    const laneHeight = Math.max(13, Math.min(22, perLane));
    const height = fixed + lanes * laneHeight;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.base, this.over]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      canvas.getContext("2d")!.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.size.value = { width, height, laneHeight }; // last: resizing clears, this draws
  }

  private get curvesTop(): number {
    return LANES_TOP + this.model.lanes * this.place.value.laneHeight;
  }

  private get curvesBottom(): number {
    return this.curvesTop + this.model.axes * AXIS;
  }

  /** The width of all frames in view. */
  private get span(): number {
    return this.place.value.width - GUTTER - MARGIN;
  }

  private x(frame: number): number {
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

  private axisScale(axis: number): number {
    let largest = 2; // degrees: noise around zero should look like nothing
    const { document, predictions } = this.model;
    for (const curve of [document.value.camera[axis], predictions.camera[axis]])
      for (const degrees of curve) largest = Math.max(largest, Math.abs(degrees));
    return largest;
  }

  /** Everything but the playhead. */
  draw(): void {
    const { width, height, laneHeight } = this.place.value;
    if (!width) return;
    const g = this.base.getContext("2d")!;
    const { model } = this;
    g.fillStyle = colors.value.surface;
    g.fillRect(0, 0, width, height);
    this.drawStrip(g);
    this.drawDoubt(g);
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    for (let lane = 0; lane < model.lanes; lane++)
      this.drawLane(g, lane, LANES_TOP + lane * laneHeight);
    for (let axis = 0; axis < model.axes; axis++)
      this.drawAxis(g, axis, this.curvesTop + axis * AXIS);
    this.drawClashes(g);
    this.drawInvalid(g);
    this.drawOverview(g, this.curvesBottom + 4);
  }

  /** The playhead, the selection and the lane cursor. */
  drawOver(): void {
    const { width, height, laneHeight, start, end } = this.place.value;
    if (!width) return;
    const { model } = this;
    const g = this.over.getContext("2d")!;
    const c = colors.value;
    g.clearRect(0, 0, width, height);
    const bottom = this.curvesBottom;
    const selection = model.selection.range.value;
    if (selection) {
      const from = this.x(Math.max(start, selection.start));
      const to = this.x(Math.min(end, selection.end));
      g.fillStyle = c.select;
      g.fillRect(from, 0, to - from, bottom);
      g.fillStyle = c.accent;
      g.fillRect(from, 0, 2, bottom);
      g.fillRect(to - 2, 0, 2, bottom);
    }
    const run = model.run.value;
    if (run && run.start < end && start < run.end) {
      // What Enter accepts: around its frames from its doubt down to its last curve.
      const [from, to] = [this.x(Math.max(start, run.start)), this.x(Math.min(end, run.end))];
      g.strokeStyle = c.text;
      g.lineWidth = 2;
      g.strokeRect(from + 1, STRIP + 1, to - from - 2, bottom - STRIP - 2);
    }
    const lane = model.lane.value;
    if (lane < model.lanes) {
      g.strokeStyle = c.accent;
      g.lineWidth = 1.5;
      g.strokeRect(2, LANES_TOP + lane * laneHeight + 1, width - 4, laneHeight - 2);
    }
    const x = this.x(model.frame.value);
    const wide = Math.max(2, this.x(model.frame.value + 1) - x);
    g.fillStyle = c.select;
    g.fillRect(x, STRIP, wide, bottom - STRIP);
    g.fillStyle = c.playhead;
    g.fillRect(x + wide / 2 - 1, 0, 2, bottom);
    g.beginPath();
    g.moveTo(x + wide / 2 - 6, 0);
    g.lineTo(x + wide / 2 + 6, 0);
    g.lineTo(x + wide / 2, 8);
    g.fill();
  }

  private drawStrip(g: CanvasRenderingContext2D): void {
    const { pictures } = this.model;
    const { start, end } = this.place.value;
    const wide = Math.max(24, Math.round((STRIP * pictures.width) / Math.max(1, pictures.height)));
    const right = GUTTER + this.span;
    g.save();
    g.beginPath();
    g.rect(GUTTER, 0, right - GUTTER, STRIP);
    g.clip();
    for (let x = GUTTER; x < right; x += wide) {
      const frame = Math.min(
        end - 1,
        start + Math.floor(((x + wide / 2 - GUTTER) / (right - GUTTER)) * (end - start)),
      );
      const picture = pictures.frames[Math.max(0, frame)];
      if (picture) g.drawImage(picture, x, 0, wide - 1, STRIP - 2);
    }
    g.restore();
  }

  /** Where the model was unsure about something, and what became of it. */
  private drawDoubt(g: CanvasRenderingContext2D): void {
    const c = colors.value;
    const { start, end } = this.place.value;
    const { any } = this.model.doubts;
    const { valid } = this.model.document.value;
    this.name(g, "uncertain", STRIP, DOUBT, c.muted);
    for (let t = start; t < end; t++) {
      const isOpen = this.isOpen(t);
      if (!valid[t] || (isOpen && !any[t])) continue;
      const x = this.x(t);
      const wide = Math.max(1, this.x(t + 1) - x - 0.5);
      const high = isOpen ? DOUBT - 5 : 3;
      g.fillStyle = this.decisionColor(t);
      g.fillRect(x, LANES_TOP - 1 - high, wide, high);
    }
  }

  /** Whether nobody has decided about a frame yet. */
  private isOpen(t: number): boolean {
    const { accepted, unsure, valid } = this.model.document.value;
    return valid[t] === 1 && !accepted[t] && !unsure[t];
  }

  /** A line along the top of a lane or curve where the model was unsure about it. */
  private drawDoubtful(g: CanvasRenderingContext2D, doubtful: Uint8Array, y: number): void {
    const { start, end } = this.place.value;
    g.fillStyle = colors.value.doubt;
    for (let t = start; t < end; t++) {
      if (!doubtful[t] || !this.isOpen(t)) continue;
      g.fillRect(this.x(t), y, Math.max(1, this.x(t + 1) - this.x(t)), 3);
    }
  }

  /** The color of an uncertain frame, by what was decided about it. */
  private decisionColor(t: number): string {
    const { accepted, unsure } = this.model.document.value;
    const { held, unsure: untold, doubt } = colors.value;
    return unsure[t] ? untold : accepted[t] ? held : doubt;
  }

  private name(
    g: CanvasRenderingContext2D,
    text: string,
    y: number,
    high: number,
    color: string,
  ): void {
    g.fillStyle = color;
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    g.fillText(text, 10, y + high / 2 + 0.5, GUTTER - 16);
  }

  private drawLane(g: CanvasRenderingContext2D, lane: number, y: number): void {
    const c = colors.value;
    const { start, end, laneHeight: high } = this.place.value;
    const row = this.model.document.value.buttons[lane];
    const predicted = this.model.predicted[lane];
    const probability = this.model.predictions.buttons_prob[lane];
    g.fillStyle = lane % 2 ? c.surface : c.lane;
    g.fillRect(GUTTER, y, this.span, high);
    const digit = lane < 9 ? `${lane + 1}` : lane === 9 ? "0" : "";
    g.fillStyle = c.muted;
    g.font = "11px ui-monospace, monospace";
    g.fillText(digit, 10, y + high / 2 + 0.5);
    g.fillStyle = c.text;
    g.font = "12px system-ui, sans-serif";
    g.fillText(this.model.data.project.buttons[lane], 26, y + high / 2 + 0.5, GUTTER - 32);
    if (this.model.showPrediction.value) {
      g.fillStyle = c.ghost;
      for (let t = start; t < end; t++) {
        if (probability[t] < 0.02) continue; // less than half a pixel high
        const tall = probability[t] * (high - 3);
        g.fillRect(this.x(t), y + high - 1 - tall, Math.max(1, this.x(t + 1) - this.x(t)), tall);
      }
    }
    // Runs of equal cells are one rectangle each: a tenth of the time of a rectangle per cell.
    let from = start;
    for (let t = start + 1; t <= end; t++) {
      if (t < end && row[t] === row[from] && predicted[t] === predicted[from]) continue;
      const x = this.x(from);
      const wide = this.x(t) - x - 1;
      if (row[from]) {
        g.fillStyle = predicted[from] ? c.held : c.edit;
        g.fillRect(x, y + 2, wide, high - 4);
      } else if (predicted[from]) {
        g.strokeStyle = c.edit;
        g.lineWidth = 1.5;
        g.strokeRect(x + 1, y + 3, Math.max(1, wide - 2), high - 6);
      }
      from = t;
    }
    this.drawDoubtful(g, this.model.doubts.lanes[lane], y);
  }

  private drawAxis(g: CanvasRenderingContext2D, axis: number, y: number): void {
    const c = colors.value;
    const { start, end } = this.place.value;
    const predicted = this.model.predictions.camera[axis];
    const corrected = this.model.document.value.camera[axis];
    const middle = y + AXIS / 2;
    const scale = this.axisScale(axis);
    const place = (v: number): number => middle - (v / scale) * (AXIS / 2 - 3);
    const { name } = this.model.data.project.axes[axis];
    this.name(g, `${name}  ±${scale.toFixed(0)}°`, y, AXIS, c.text);
    g.strokeStyle = c["lane-line"];
    g.lineWidth = 1;
    g.beginPath();
    g.moveTo(GUTTER, middle + 0.5);
    g.lineTo(GUTTER + this.span, middle + 0.5);
    g.stroke();
    const curve = (values: ArrayLike<number>, color: string, wide: number): void => {
      g.strokeStyle = color;
      g.lineWidth = wide;
      g.beginPath();
      for (let t = start; t < end; t++) {
        const x = (this.x(t) + this.x(t + 1)) / 2;
        if (t === start) g.moveTo(x, place(values[t]));
        else g.lineTo(x, place(values[t]));
      }
      g.stroke();
    };
    if (this.model.showPrediction.value) curve(predicted, c.ghost, 3);
    curve(corrected, c.curve, 1.6);
    g.fillStyle = c.edit;
    for (let t = start; t < end; t++) {
      if (Math.abs(corrected[t] - predicted[t]) > 0.01) {
        g.fillRect(this.x(t), y + AXIS - 3, Math.max(1, this.x(t + 1) - this.x(t)), 2);
      }
    }
    this.drawDoubtful(g, this.model.doubts.camera, y);
  }

  /** Cross out what cannot be held together. */
  private drawClashes(g: CanvasRenderingContext2D): void {
    const { start, end, laneHeight } = this.place.value;
    g.strokeStyle = colors.value.bad;
    g.lineWidth = 2;
    g.beginPath();
    for (const clash of this.model.clashes.value) {
      for (let t = Math.max(start, clash.start); t < Math.min(end, clash.end); t++) {
        const [left, right] = [this.x(t), this.x(t + 1)];
        for (const lane of clash.lanes) {
          const top = LANES_TOP + lane * laneHeight + 2;
          const bottom = top + laneHeight - 4;
          g.moveTo(left, top);
          g.lineTo(right, bottom);
          g.moveTo(left, bottom);
          g.lineTo(right, top);
        }
      }
    }
    g.stroke();
  }

  private drawInvalid(g: CanvasRenderingContext2D): void {
    const { start, end } = this.place.value;
    const { valid } = this.model.document.value;
    const [top, bottom] = [LANES_TOP, this.curvesBottom];
    for (let t = start; t < end; t++) {
      if (valid[t]) continue;
      const x = this.x(t);
      const wide = this.x(t + 1) - x;
      g.fillStyle = colors.value.surface;
      g.globalAlpha = 0.75;
      g.fillRect(x, top, wide, bottom - top);
      g.globalAlpha = 1;
      g.strokeStyle = colors.value.bad;
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(x, bottom);
      g.lineTo(x + wide, top);
      g.stroke();
    }
  }

  /** The whole task in one line: what is to do, what is done, where the view is. */
  private drawOverview(g: CanvasRenderingContext2D, y: number): void {
    const c = colors.value;
    const { frames, runs } = this.model;
    const { start, end } = this.place.value;
    const wide = this.span;
    const place = (t: number): number => GUTTER + (t / frames) * wide;
    this.name(g, "task", y, OVERVIEW, c.muted);
    g.fillStyle = c.lane;
    g.fillRect(GUTTER, y, wide, OVERVIEW);
    for (const run of runs) {
      for (let t = run.start; t < run.end; t++) {
        g.fillStyle = this.decisionColor(t);
        g.fillRect(place(t), y + 2, Math.max(1, place(t + 1) - place(t)), OVERVIEW - 4);
      }
    }
    if (end - start < frames) {
      g.strokeStyle = c.accent;
      g.lineWidth = 2;
      g.strokeRect(place(start), y + 1, place(end) - place(start), OVERVIEW - 2);
    }
  }
}
