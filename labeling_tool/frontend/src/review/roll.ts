// The roll: film strip, ruler, uncertainty, a lane per button, a curve per axis, and the whole task
// in one line. Drawn when labels or the view change, not when the playhead moves.

import { CAMERA_SAME_DEG } from "../document";
import { signOf } from "./axes";
import { colors } from "./colors";
import { inputName } from "./game_keys";
import { AXIS, DOUBT, DOUBT_TOP, GUTTER, LANES_TOP, type Layout, OVERVIEW, STRIP } from "./layout";
import { look } from "./look";
import type { ReviewModel } from "./model";
import { drawName, Ruler } from "./ruler";

const STRIPES = 8; // px from one to the next
const NARROWEST = 0.8; // of a letter's width: squeezed further, names are no longer read
const GAME_KEY = 50; // px at most for the game's own key, right in the gutter

export class Roll {
  private readonly model: ReviewModel;
  private readonly ruler: Ruler;

  constructor(private readonly layout: Layout) {
    this.model = layout.model;
    this.ruler = new Ruler(layout);
  }

  draw(g: CanvasRenderingContext2D): void {
    const { width, height, lanes } = this.layout.place.value;
    const { model } = this;
    g.fillStyle = colors.value.surface;
    g.fillRect(0, 0, width, height);
    this.drawStrip(g);
    this.ruler.draw(g);
    this.drawDoubt(g);
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    for (const [row, lane] of lanes.entries()) this.drawLane(g, lane, row);
    this.drawFold(g);
    for (let axis = 0; axis < model.axes; axis++)
      this.drawAxis(g, axis, this.layout.curvesTop + axis * AXIS);
    this.drawClashes(g);
    this.drawInvalid(g);
    this.drawOverview(g, this.layout.curvesBottom + 4);
  }

  private drawStrip(g: CanvasRenderingContext2D): void {
    const { pictures } = this.model;
    const { start, end } = this.layout.place.value;
    const wide = Math.max(24, Math.round((STRIP * pictures.width) / Math.max(1, pictures.height)));
    const right = GUTTER + this.layout.span;
    g.save();
    g.beginPath();
    g.rect(GUTTER, 0, right - GUTTER, STRIP);
    g.clip();
    // As many as fit, the last one whole; each shows the frame that stands at its middle.
    const count = Math.max(1, Math.floor((right - GUTTER) / wide));
    const step = (right - GUTTER) / count;
    for (let i = 0; i < count; i++) {
      const frame = Math.min(end - 1, start + Math.floor(((i + 0.5) / count) * (end - start)));
      const picture = pictures.frames[Math.max(0, frame)];
      if (picture) g.drawImage(picture, GUTTER + i * step, 0, step - 1, STRIP - 2);
    }
    g.restore();
  }

  /** Where the model was unsure about something, and what became of it. */
  private drawDoubt(g: CanvasRenderingContext2D): void {
    const c = colors.value;
    const { start, end } = this.layout.place.value;
    const { any } = this.model.doubts;
    const { valid } = this.model.document.value;
    drawName(g, "uncertain", DOUBT_TOP, DOUBT, c.muted);
    for (let t = start; t < end; t++) {
      const isOpen = this.isOpen(t);
      if (!valid[t] || (isOpen && !any[t])) continue;
      const x = this.layout.x(t);
      const wide = Math.max(1, this.layout.x(t + 1) - x - 0.5);
      const high = isOpen ? DOUBT - 5 : 3;
      g.fillStyle = this.decisionColor(t);
      g.fillRect(x, LANES_TOP - 1 - high, wide, high);
    }
  }

  /** Fill a frame's place at some height, in the color that is set. */
  private mark(g: CanvasRenderingContext2D, t: number, y: number, high: number): void {
    const x = this.layout.x(t);
    g.fillRect(x, y, Math.max(1, this.layout.x(t + 1) - x), high);
  }

  /** Whether nobody has decided about a frame yet. */
  private isOpen(t: number): boolean {
    const { accepted, unsure, valid } = this.model.document.value;
    return valid[t] === 1 && !accepted[t] && !unsure[t];
  }

  /** A line along the top of a lane or curve where the model was unsure about it. */
  private drawDoubtful(g: CanvasRenderingContext2D, doubtful: Uint8Array, y: number): void {
    const { start, end } = this.layout.place.value;
    g.fillStyle = colors.value.doubt;
    for (let t = start; t < end; t++) if (doubtful[t] && this.isOpen(t)) this.mark(g, t, y, 3);
  }

  /** The color of an uncertain frame, by what was decided about it. */
  private decisionColor(t: number): string {
    const { accepted, unsure } = this.model.document.value;
    const { held, unsure: untold, doubt } = colors.value;
    return unsure[t] ? untold : accepted[t] ? held : doubt;
  }

  private drawLane(g: CanvasRenderingContext2D, lane: number, place: number): void {
    const c = colors.value;
    const { start, end, laneHeight: high } = this.layout.place.value;
    const y = LANES_TOP + place * high;
    const row = this.model.document.value.buttons[lane];
    const predicted = this.model.predicted[lane];
    const probability = this.model.predictions.buttons_prob[lane];
    g.fillStyle = place % 2 ? c.surface : c.lane;
    g.fillRect(GUTTER, y, this.layout.span, high);
    const digit = lane < 9 ? `${lane + 1}` : lane === 9 ? "0" : "";
    g.fillStyle = c.muted;
    g.font = "11px ui-monospace, monospace";
    g.fillText(digit, 10, y + high / 2 + 0.5);
    g.fillStyle = c.text;
    g.font = "12px system-ui, sans-serif";
    const { buttons, inputs } = this.model.data.project;
    const key = inputName(inputs[lane] ?? "");
    const room = GUTTER - 38 - Math.min(GAME_KEY, g.measureText(key).width);
    g.fillText(legible(g, buttons[lane], room), 26, y + high / 2 + 0.5, room);
    g.fillStyle = c.muted;
    g.textAlign = "right";
    g.fillText(key, GUTTER - 6, y + high / 2 + 0.5, GAME_KEY);
    g.textAlign = "left";
    if (this.model.showPrediction.value) {
      g.fillStyle = c.ghost;
      for (let t = start; t < end; t++) {
        if (probability[t] < 0.02) continue; // less than half a pixel high
        const tall = probability[t] * (high - 3);
        this.mark(g, t, y + high - 1 - tall, tall);
      }
    }
    // Runs of equal cells are one rectangle each: a tenth of the time of a rectangle per cell.
    let from = start;
    for (let t = start + 1; t <= end; t++) {
      if (t < end && row[t] === row[from] && predicted[t] === predicted[from]) continue;
      const x = this.layout.x(from);
      const wide = this.layout.x(t) - x;
      if (row[from]) {
        g.fillStyle = predicted[from] ? c.held : c.edit;
        g.fillRect(x, y + 2, wide, high - 4);
        if (!predicted[from]) this.hatch(g, x, y + 2, wide, high - 4);
      } else if (predicted[from]) {
        g.strokeStyle = c.edit;
        g.lineWidth = 1.5;
        g.strokeRect(x + 1, y + 3, Math.max(1, wide - 2), high - 6);
      }
      from = t;
    }
    this.drawDoubtful(g, this.model.doubts.lanes[lane], y);
    this.drawCorrections(g, lane, y);
    this.drawAnswers(g, lane, y);
  }

  /** Stripes over what somebody added: told from what the model said by more than its color. */
  private hatch(
    g: CanvasRenderingContext2D,
    x: number,
    y: number,
    wide: number,
    high: number,
  ): void {
    g.save();
    g.beginPath();
    g.rect(x, y, wide, high);
    g.clip();
    g.globalAlpha = 0.45;
    g.strokeStyle = colors.value.surface;
    g.lineWidth = 2;
    g.beginPath();
    // The stripes stand on the canvas, not on the press: they do not crawl when it is stretched.
    for (let at = Math.floor((x - high) / STRIPES) * STRIPES; at < x + wide; at += STRIPES) {
      g.moveTo(at, y + high);
      g.lineTo(at + high, y);
    }
    g.stroke();
    g.restore();
  }

  /** Below the lanes: which others there are, though the task has no use for them. */
  private drawFold(g: CanvasRenderingContext2D): void {
    const { fold } = this.layout.place.value;
    if (!fold) return;
    const { buttons } = this.model.data.project;
    const unused = this.model.fold.unused.value.map((lane) => buttons[lane]);
    const more = look.folds.value
      ? `▸ ${unused.length} unused: ${unused.join(", ")}`
      : `▾ fold the ${unused.length} unused lanes away`;
    const text = unused.length ? more : "every lane is in use";
    g.fillStyle = colors.value.muted;
    g.font = "12px system-ui, sans-serif";
    g.fillText(text, 10, this.layout.foldTop + fold / 2 + 0.5, GUTTER + this.layout.span - 16);
  }

  /** A line along the bottom of a lane where somebody else has changed its annotator's labels. */
  private drawCorrections(g: CanvasRenderingContext2D, lane: number, y: number): void {
    const before = this.model.annotated.value?.buttons[lane];
    if (!before) return;
    const { start, end, laneHeight } = this.layout.place.value;
    const now = this.model.document.value.buttons[lane];
    const c = colors.value;
    for (let t = start; t < end; t++) {
      if (before[t] === now[t]) continue;
      g.fillStyle = c.surface; // an edge, so that it shows on a press of any color
      this.mark(g, t, y + laneHeight - 7, 2);
      g.fillStyle = c.correction;
      this.mark(g, t, y + laneHeight - 5, 5);
    }
  }

  /** A thin line within a lane for each other answer, where it says something else. */
  private drawAnswers(g: CanvasRenderingContext2D, lane: number, y: number): void {
    const { start, end } = this.layout.place.value;
    const now = this.model.document.value.buttons[lane];
    g.fillStyle = colors.value.accent;
    for (const [i, { document }] of this.model.answers.entries()) {
      for (let t = start; t < end; t++)
        if (document.buttons[lane][t] !== now[t]) this.mark(g, t, y + 3 + 4 * i, 3);
    }
  }

  private drawAxis(g: CanvasRenderingContext2D, axis: number, y: number): void {
    const c = colors.value;
    const { start, end } = this.layout.place.value;
    const predicted = this.model.predictions.camera[axis];
    const corrected = this.model.document.value.camera[axis];
    const middle = y + AXIS / 2;
    const scale = this.layout.axisScale(axis);
    const place = (v: number): number => middle - (v / scale) * (AXIS / 2 - 3);
    const { name, unit, input } = this.model.data.project.axes[axis];
    const range = unit ? `  ±${scale.toFixed(0)}${signOf(unit)}` : "";
    // Of a stick its game knows.
    const way = { dx: "▴ right  ▾ left", dy: "▴ down  ▾ up" }[input];
    drawName(g, `${name}${range}`, y, way ? AXIS / 2 + 3 : AXIS, c.text);
    if (way) drawName(g, way, y + AXIS / 2 - 3, AXIS / 2 - 1, c.muted);
    g.strokeStyle = c["lane-line"];
    g.lineWidth = 1;
    g.beginPath();
    g.moveTo(GUTTER, middle + 0.5);
    g.lineTo(GUTTER + this.layout.span, middle + 0.5);
    g.stroke();
    const curve = (values: ArrayLike<number>, color: string, wide: number): void => {
      g.strokeStyle = color;
      g.lineWidth = wide;
      g.beginPath();
      for (let t = start; t < end; t++) {
        const x = (this.layout.x(t) + this.layout.x(t + 1)) / 2;
        if (t === start) g.moveTo(x, place(values[t]));
        else g.lineTo(x, place(values[t]));
      }
      g.stroke();
    };
    if (this.model.showPrediction.value) curve(predicted, c.ghost, 3);
    curve(corrected, c.curve, 1.6);
    g.fillStyle = c.edit;
    for (let t = start; t < end; t++)
      if (Math.abs(corrected[t] - predicted[t]) > CAMERA_SAME_DEG) this.mark(g, t, y + AXIS - 3, 2);
    this.drawDoubtful(g, this.model.doubts.camera, y);
  }

  /** Cross out what cannot be held together. */
  private drawClashes(g: CanvasRenderingContext2D): void {
    const { start, end, laneHeight } = this.layout.place.value;
    g.beginPath();
    for (const clash of this.model.clashes.value) {
      for (let t = Math.max(start, clash.start); t < Math.min(end, clash.end); t++) {
        const [left, right] = [this.layout.x(t), this.layout.x(t + 1)];
        for (const lane of clash.lanes) {
          const top = this.layout.laneTop(lane) + 2;
          const bottom = top + laneHeight - 4;
          g.moveTo(left, top);
          g.lineTo(right, bottom);
          g.moveTo(left, bottom);
          g.lineTo(right, top);
        }
      }
    }
    // An edge around them: red on green is nothing to every twelfth man.
    g.strokeStyle = colors.value.surface;
    g.lineWidth = 4.5;
    g.stroke();
    g.strokeStyle = colors.value.bad;
    g.lineWidth = 2;
    g.stroke();
  }

  private drawInvalid(g: CanvasRenderingContext2D): void {
    const { start, end } = this.layout.place.value;
    const { valid } = this.model.document.value;
    const [top, bottom] = [LANES_TOP, this.layout.curvesBottom];
    for (let t = start; t < end; t++) {
      if (valid[t]) continue;
      const x = this.layout.x(t);
      const wide = this.layout.x(t + 1) - x;
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
    const { frames, watch } = this.model;
    const { start, end } = this.layout.place.value;
    const wide = this.layout.span;
    const place = (t: number): number => GUTTER + (t / frames) * wide;
    drawName(g, "task", y, OVERVIEW, c.muted);
    g.fillStyle = c.lane;
    g.fillRect(GUTTER, y, wide, OVERVIEW);
    for (const run of watch.runs) {
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

/** A name as much of which is shown as can be read where it has so much room. */
function legible(g: CanvasRenderingContext2D, name: string, room: number): string {
  const widest = room / NARROWEST;
  if (g.measureText(name).width <= widest) return name;
  let cut = name;
  while (cut && g.measureText(`${cut}…`).width > widest) cut = cut.slice(0, -1);
  return `${cut}…`;
}
