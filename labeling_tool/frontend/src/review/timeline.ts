// The timeline: film strip, uncertainty, a lane a button, a curve an axis. The lanes are drawn when labels or the view change;
// a step draws only the playhead, on a second canvas above.

import type { ReviewModel } from "./model";

export const GUTTER = 136; // px, for the lanes' names
const STRIP = 44;
const DOUBT = 16;
const AXIS = 36;
const OVERVIEW = 10;

export interface Colours {
  [name: string]: string;
}

const NAMES = [
  "surface",
  "lane",
  "lane-line",
  "text",
  "muted",
  "accent",
  "held",
  "edit",
  "ghost",
  "unsure",
  "select",
  "playhead",
  "curve",
  "bad",
];

/** The theme's colours as the canvas understands them: computed, with light or dark already chosen. */
export function readColours(): Colours {
  const probe = document.createElement("i");
  probe.hidden = true;
  document.body.append(probe);
  const entries = NAMES.map((name) => {
    probe.style.color = `var(--t-${name})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(entries);
}

export type Hit =
  | { row: "strip" | "doubt" | "overview" }
  | { row: "lane"; lane: number }
  | { row: "axis"; axis: number; y: number };

export class Timeline {
  width = 0;
  private laneHeight = 18;
  private colours = readColours();
  private drawnView = "";

  constructor(
    readonly base: HTMLCanvasElement,
    readonly over: HTMLCanvasElement,
    readonly model: ReviewModel,
  ) {}

  themeChanged(): void {
    this.colours = readColours();
    this.draw();
  }

  get height(): number {
    return (
      STRIP + DOUBT + this.model.lanes * this.laneHeight + this.model.axes * AXIS + OVERVIEW + 8
    );
  }

  resize(width: number, room: number): void {
    const fixed = STRIP + DOUBT + this.model.axes * AXIS + OVERVIEW + 8;
    this.laneHeight = Math.max(
      13,
      Math.min(22, Math.floor((room - fixed) / Math.max(1, this.model.lanes))),
    );
    this.width = width;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.base, this.over]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(this.height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${this.height}px`;
      canvas.getContext("2d")!.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.draw();
  }

  x(frame: number): number {
    const { start, end } = this.model.view;
    return GUTTER + ((frame - start) / (end - start)) * (this.width - GUTTER - 8);
  }

  frameAt(x: number): number {
    const { start, end } = this.model.view;
    const frame = start + Math.floor(((x - GUTTER) / (this.width - GUTTER - 8)) * (end - start));
    return Math.min(end - 1, Math.max(start, frame));
  }

  frameInOverview(x: number): number {
    const share = (x - GUTTER) / (this.width - GUTTER - 8);
    return Math.min(this.model.frames - 1, Math.max(0, Math.floor(share * this.model.frames)));
  }

  hit(y: number): Hit {
    if (y < STRIP) return { row: "strip" };
    if (y < STRIP + DOUBT) return { row: "doubt" };
    const inLanes = y - STRIP - DOUBT;
    const lane = Math.floor(inLanes / this.laneHeight);
    if (lane < this.model.lanes) return { row: "lane", lane };
    const inAxes = inLanes - this.model.lanes * this.laneHeight;
    const axis = Math.floor(inAxes / AXIS);
    if (axis < this.model.axes) return { row: "axis", axis, y: inAxes - axis * AXIS };
    return { row: "overview" };
  }

  /** Degrees that a height within an axis' row stands for. */
  axisValue(axis: number, y: number): number {
    const scale = this.axisScale(axis);
    return Math.max(-scale, Math.min(scale, ((AXIS / 2 - y) / (AXIS / 2 - 3)) * scale));
  }

  private axisScale(axis: number): number {
    let most = 2; // degrees: noise around zero should look like nothing
    for (const v of this.model.document.camera[axis]) most = Math.max(most, Math.abs(v));
    for (const v of this.model.predictions.camera[axis]) most = Math.max(most, Math.abs(v));
    return most;
  }

  /** Everything but the playhead. */
  draw(): void {
    if (!this.width) return;
    const g = this.base.getContext("2d")!;
    const c = this.colours;
    const model = this.model;
    const { start, end } = model.view;
    this.drawnView = `${start}-${end}`;
    g.fillStyle = c.surface;
    g.fillRect(0, 0, this.width, this.height);
    this.drawStrip(g, start, end);
    this.drawDoubt(g, start, end);
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    let y = STRIP + DOUBT;
    for (let lane = 0; lane < model.lanes; lane++) {
      this.drawLane(g, lane, y, start, end);
      y += this.laneHeight;
    }
    for (let axis = 0; axis < model.axes; axis++) {
      this.drawAxis(g, axis, y, start, end);
      y += AXIS;
    }
    this.drawInvalid(g, start, end);
    this.drawOverview(g, y + 4);
    this.drawOver();
  }

  /** The playhead, the selection and the lane cursor. */
  drawOver(): void {
    if (!this.width) return;
    const model = this.model;
    const { start, end } = model.view;
    if (this.drawnView !== `${start}-${end}`) {
      this.draw(); // zoomed in, the view follows the playhead
      return;
    }
    const g = this.over.getContext("2d")!;
    const c = this.colours;
    g.clearRect(0, 0, this.width, this.height);
    const top = STRIP + DOUBT;
    const bottom = top + model.lanes * this.laneHeight + model.axes * AXIS;
    if (model.selection) {
      const from = this.x(Math.max(start, model.selection.start));
      const to = this.x(Math.min(end, model.selection.end));
      g.fillStyle = c.select;
      g.fillRect(from, 0, to - from, bottom);
      g.fillStyle = c.accent;
      g.fillRect(from, 0, 2, bottom);
      g.fillRect(to - 2, 0, 2, bottom);
    }
    if (model.lane < model.lanes) {
      g.strokeStyle = c.accent;
      g.lineWidth = 1.5;
      g.strokeRect(2, top + model.lane * this.laneHeight + 1, this.width - 4, this.laneHeight - 2);
    }
    const x = this.x(model.frame);
    const wide = Math.max(2, this.x(model.frame + 1) - x);
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

  private drawStrip(g: CanvasRenderingContext2D, start: number, end: number): void {
    const { pictures } = this.model;
    const wide = Math.max(24, Math.round((STRIP * pictures.width) / Math.max(1, pictures.height)));
    const right = this.width - 8;
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

  private drawDoubt(g: CanvasRenderingContext2D, start: number, end: number): void {
    const c = this.colours;
    const { confidence } = this.model.predictions;
    const { document } = this.model;
    const threshold = this.model.data.project.threshold;
    this.name(g, "uncertain", STRIP, DOUBT, c.muted);
    for (let t = start; t < end; t++) {
      const x = this.x(t);
      const wide = Math.max(1, this.x(t + 1) - x - 0.5);
      const doubtful = confidence[t] < threshold;
      g.fillStyle = document.unsure[t]
        ? c.unsure
        : document.accepted[t]
          ? c.held
          : doubtful
            ? c.edit
            : c.ghost;
      const high = Math.max(2, (1 - confidence[t]) * (DOUBT - 3));
      if (document.accepted[t] || document.unsure[t]) g.fillRect(x, STRIP + DOUBT - 4, wide, 3);
      if (!(document.accepted[t] || document.unsure[t]) || doubtful)
        g.fillRect(x, STRIP + DOUBT - 1 - high, wide, high);
    }
  }

  private name(
    g: CanvasRenderingContext2D,
    text: string,
    y: number,
    high: number,
    colour: string,
  ): void {
    g.fillStyle = colour;
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    g.fillText(text, 10, y + high / 2 + 0.5, GUTTER - 16);
  }

  private drawLane(
    g: CanvasRenderingContext2D,
    lane: number,
    y: number,
    start: number,
    end: number,
  ): void {
    const c = this.colours;
    const high = this.laneHeight;
    const row = this.model.document.buttons[lane];
    const predicted = this.model.predicted[lane];
    const probability = this.model.predictions.buttons_prob[lane];
    g.fillStyle = lane % 2 ? c.surface : c.lane;
    g.fillRect(GUTTER, y, this.width - GUTTER - 8, high);
    const digit = lane < 9 ? `${lane + 1}` : lane === 9 ? "0" : "";
    g.fillStyle = c.muted;
    g.font = "11px ui-monospace, monospace";
    g.fillText(digit, 10, y + high / 2 + 0.5);
    g.fillStyle = c.text;
    g.font = "12px system-ui, sans-serif";
    g.fillText(this.model.data.project.buttons[lane], 26, y + high / 2 + 0.5, GUTTER - 32);
    if (this.model.showPrediction) {
      g.fillStyle = c.ghost;
      for (let t = start; t < end; t++) {
        if (probability[t] < 0.02) continue;
        const tall = probability[t] * (high - 3);
        g.fillRect(this.x(t), y + high - 1 - tall, Math.max(1, this.x(t + 1) - this.x(t)), tall);
      }
    }
    // Runs of equal cells are one rectangle each: a tenth of the time of one a cell.
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
  }

  private drawAxis(
    g: CanvasRenderingContext2D,
    axis: number,
    y: number,
    start: number,
    end: number,
  ): void {
    const c = this.colours;
    const middle = y + AXIS / 2;
    const scale = this.axisScale(axis);
    const place = (v: number): number => middle - (v / scale) * (AXIS / 2 - 3);
    const { name } = this.model.data.project.axes[axis];
    this.name(g, `${name}  ±${scale.toFixed(0)}°`, y, AXIS, c.text);
    g.strokeStyle = c["lane-line"];
    g.lineWidth = 1;
    g.beginPath();
    g.moveTo(GUTTER, middle + 0.5);
    g.lineTo(this.width - 8, middle + 0.5);
    g.stroke();
    const curve = (values: ArrayLike<number>, colour: string, wide: number): void => {
      g.strokeStyle = colour;
      g.lineWidth = wide;
      g.beginPath();
      for (let t = start; t < end; t++) {
        const x = (this.x(t) + this.x(t + 1)) / 2;
        if (t === start) g.moveTo(x, place(values[t]));
        else g.lineTo(x, place(values[t]));
      }
      g.stroke();
    };
    if (this.model.showPrediction) curve(this.model.predictions.camera[axis], c.ghost, 3);
    curve(this.model.document.camera[axis], c.curve, 1.6);
    const corrected = this.model.document.camera[axis];
    g.fillStyle = c.edit;
    for (let t = start; t < end; t++) {
      if (Math.abs(corrected[t] - this.model.predictions.camera[axis][t]) > 0.01) {
        g.fillRect(this.x(t), y + AXIS - 3, Math.max(1, this.x(t + 1) - this.x(t)), 2);
      }
    }
  }

  private drawInvalid(g: CanvasRenderingContext2D, start: number, end: number): void {
    const top = STRIP + DOUBT;
    const high = this.model.lanes * this.laneHeight + this.model.axes * AXIS;
    for (let t = start; t < end; t++) {
      if (this.model.document.valid[t]) continue;
      const x = this.x(t);
      const wide = this.x(t + 1) - x;
      g.fillStyle = this.colours.surface;
      g.globalAlpha = 0.75;
      g.fillRect(x, top, wide, high);
      g.globalAlpha = 1;
      g.strokeStyle = this.colours.bad;
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(x, top + high);
      g.lineTo(x + wide, top);
      g.stroke();
    }
  }

  /** The whole task in one line: what is to do, what is done, where the view is. */
  private drawOverview(g: CanvasRenderingContext2D, y: number): void {
    const c = this.colours;
    const { document, frames, view, runs } = this.model;
    const wide = this.width - GUTTER - 8;
    const place = (t: number): number => GUTTER + (t / frames) * wide;
    this.name(g, "task", y, OVERVIEW, c.muted);
    g.fillStyle = c.lane;
    g.fillRect(GUTTER, y, wide, OVERVIEW);
    for (const run of runs) {
      for (let t = run.start; t < run.end; t++) {
        g.fillStyle = document.unsure[t] ? c.unsure : document.accepted[t] ? c.held : c.edit;
        g.fillRect(place(t), y + 2, Math.max(1, place(t + 1) - place(t)), OVERVIEW - 4);
      }
    }
    if (view.end - view.start < frames) {
      g.strokeStyle = c.accent;
      g.lineWidth = 2;
      g.strokeRect(place(view.start), y + 1, place(view.end) - place(view.start), OVERVIEW - 2);
    }
  }
}
