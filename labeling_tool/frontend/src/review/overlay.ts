// What moves over the roll: the playhead, the selection, the run in hand, what is looped, the press
// in hand with its handles, the lane's cursor. A step draws only this.

import type { FrameRange } from "../types";
import { colors } from "./colors";
import { DOUBT_TOP, type Layout, RULER, RULER_TOP, STRIP } from "./layout";
import type { ReviewModel } from "./model";

const HANDLE = 4; // px

export class Overlay {
  private readonly model: ReviewModel;

  constructor(private readonly layout: Layout) {
    this.model = layout.model;
  }

  draw(g: CanvasRenderingContext2D): void {
    const { width, height } = this.layout.place.value;
    const { model } = this;
    g.clearRect(0, 0, width, height);
    const selection = model.selection.range.value;
    if (selection) this.drawSelection(g, selection);
    const { loop, run } = model.watch;
    if (loop.value) this.drawLoop(g, loop.value);
    if (run.value) this.drawRun(g, run.value);
    this.drawLaneCursor(g);
    this.drawPress(g);
    this.drawAlong(g);
    this.drawPlayhead(g);
  }

  /** The left and right end of what is in view of a range; null where nothing is. */
  private ends(range: FrameRange): [number, number] | null {
    const { start, end } = this.layout.place.value;
    if (range.start >= end || start >= range.end) return null;
    const { layout } = this;
    return [layout.x(Math.max(start, range.start)), layout.x(Math.min(end, range.end))];
  }

  private drawSelection(g: CanvasRenderingContext2D, range: FrameRange): void {
    const ends = this.ends(range);
    if (!ends) return;
    const [from, to] = ends;
    const bottom = this.layout.curvesBottom;
    g.fillStyle = colors.value.select;
    g.fillRect(from, 0, to - from, bottom);
    g.fillStyle = colors.value.accent;
    g.fillRect(from, 0, 2, bottom);
    g.fillRect(to - 2, 0, 2, bottom);
  }

  /** A brace in the ruler around what is played again and again. */
  private drawLoop(g: CanvasRenderingContext2D, range: FrameRange): void {
    const ends = this.ends(range);
    if (!ends) return;
    const [from, to] = ends;
    g.fillStyle = colors.value.select;
    g.fillRect(from, RULER_TOP, to - from, RULER);
    g.fillStyle = colors.value.accent;
    g.fillRect(from, RULER_TOP, to - from, 3);
    g.fillRect(from, RULER_TOP, 3, RULER);
    g.fillRect(to - 3, RULER_TOP, 3, RULER);
  }

  /** What Enter accepts: around its frames from its doubt down to its last curve. */
  private drawRun(g: CanvasRenderingContext2D, range: FrameRange): void {
    const ends = this.ends(range);
    if (!ends) return;
    const [from, to] = ends;
    g.strokeStyle = colors.value.text;
    g.lineWidth = 2;
    const bottom = this.layout.curvesBottom;
    g.strokeRect(from + 1, DOUBT_TOP + 1, to - from - 2, bottom - DOUBT_TOP - 2);
  }

  private drawLaneCursor(g: CanvasRenderingContext2D): void {
    const { width, laneHeight } = this.layout.place.value;
    const lane = this.model.lane.value;
    if (lane >= this.model.lanes) return;
    g.strokeStyle = colors.value.accent;
    g.lineWidth = 1.5;
    g.strokeRect(2, this.layout.laneTop(lane) + 1, width - 4, laneHeight - 2);
  }

  /** The press in hand: framed, with a handle at each edge, the one that keys move filled. */
  private drawPress(g: CanvasRenderingContext2D): void {
    const taken = this.model.presses.taken.value;
    const ends = taken && this.ends(taken.range);
    if (!taken || !ends) return;
    const c = colors.value;
    const [from, to] = ends;
    const y = this.layout.laneTop(taken.lane);
    const high = this.layout.place.value.laneHeight;
    g.strokeStyle = c.text;
    g.lineWidth = 2;
    g.strokeRect(from, y + 1, to - from, high - 2);
    for (const edge of ["start", "end"] as const) {
      const x = edge === "start" ? from : to;
      const wide = taken.edge === edge ? HANDLE + 2 : HANDLE;
      g.fillStyle = taken.edge === edge ? c.playhead : c.surface;
      g.fillRect(x - wide / 2, y - 1, wide, high + 2);
      g.lineWidth = 1;
      g.strokeRect(x - wide / 2, y - 1, wide, high + 2);
    }
  }

  /** What the keys that are held now will have written when they go up. */
  private drawAlong(g: CanvasRenderingContext2D): void {
    g.fillStyle = colors.value.edit;
    for (const [lane, start] of this.model.along.held.value) {
      const ends = this.ends({ start, end: this.model.frame.value + 1 });
      if (!ends) continue;
      const high = this.layout.place.value.laneHeight;
      g.fillRect(ends[0], this.layout.laneTop(lane) + 2, ends[1] - ends[0], high - 4);
    }
  }

  private drawPlayhead(g: CanvasRenderingContext2D): void {
    const c = colors.value;
    const frame = this.model.frame.value;
    const bottom = this.layout.curvesBottom;
    const x = this.layout.x(frame);
    const wide = Math.max(2, this.layout.x(frame + 1) - x);
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
}
