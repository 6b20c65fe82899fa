// The ruler over the lanes: frame numbers with their seconds, remarks, and frames that were marked.

import { colors } from "./colors";
import { GUTTER, type Layout, RULER, RULER_TOP } from "./layout";
import type { ReviewModel } from "./model";

const TICK_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]; // frames between two numbers
const BETWEEN_NUMBERS = 58; // px at least
const FLAG = 6; // px: half of its width

/** Draw the name of a row, left of its frames. */
export function drawName(
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

export class Ruler {
  private readonly model: ReviewModel;

  constructor(private readonly layout: Layout) {
    this.model = layout.model;
  }

  draw(g: CanvasRenderingContext2D): void {
    this.drawNumbers(g);
    this.drawRemarks(g);
    this.drawMarkers(g);
  }

  /** Frame numbers with their seconds, as many as fit. */
  private drawNumbers(g: CanvasRenderingContext2D): void {
    const c = colors.value;
    const { start, end } = this.layout.place.value;
    const { pts_ns, start_ns } = this.model.data.task;
    const perFrame = this.layout.span / (end - start);
    const step = TICK_STEPS.find((frames) => frames * perFrame >= BETWEEN_NUMBERS) ?? 2000;
    const middle = RULER_TOP + RULER / 2 + 0.5;
    drawName(g, "frame · seconds", RULER_TOP, RULER, c.muted);
    g.font = "10.5px system-ui, sans-serif";
    for (let t = start; t < end; t++) {
      const isNumbered = t === 0 || (t + 1) % step === 0;
      if (!isNumbered && perFrame < 5) continue;
      const x = this.layout.x(t);
      g.fillStyle = c["lane-line"];
      g.fillRect(x, RULER_TOP + (isNumbered ? 2 : 11), 1, isNumbered ? RULER - 2 : RULER - 11);
      if (!isNumbered || x + BETWEEN_NUMBERS > GUTTER + this.layout.span + 6) continue;
      g.fillStyle = c.text;
      g.fillText(`${t + 1}`, x + 4, middle);
      const wide = g.measureText(`${t + 1} `).width;
      g.fillStyle = c.muted;
      g.fillText(`${((start_ns + pts_ns[t]) / 1e9).toFixed(1)}s`, x + 4 + wide, middle);
    }
  }

  /** The middle of a frame; null where it is out of view. */
  private middleOf(t: number): number | null {
    const { start, end } = this.layout.place.value;
    if (t < start || end <= t) return null;
    return (this.layout.x(t) + this.layout.x(t + 1)) / 2;
  }

  /** A flag at each remark. */
  private drawRemarks(g: CanvasRenderingContext2D): void {
    g.fillStyle = colors.value.remark;
    for (const remark of this.model.remarks.value) {
      const x = this.middleOf(remark.start);
      if (x === null) continue;
      g.beginPath();
      g.moveTo(x - FLAG, RULER_TOP + 1);
      g.lineTo(x + FLAG, RULER_TOP + 1);
      g.lineTo(x, RULER_TOP + RULER - 1);
      g.fill();
    }
  }

  /** A diamond at each frame that somebody marked to come back to: another shape than a flag. */
  private drawMarkers(g: CanvasRenderingContext2D): void {
    g.fillStyle = colors.value.text;
    const middle = RULER_TOP + RULER / 2;
    for (const frame of this.model.markers.frames.value) {
      const x = this.middleOf(frame);
      if (x === null) continue;
      g.beginPath();
      g.moveTo(x, middle - FLAG);
      g.lineTo(x + FLAG, middle);
      g.lineTo(x, middle + FLAG);
      g.lineTo(x - FLAG, middle);
      g.fill();
    }
  }
}
