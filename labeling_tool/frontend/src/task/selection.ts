// The selected frames of a task, in both kinds of work.

import { signal } from "@preact/signals";
import type { FrameRange } from "../types";

/** The frames from one to another, both included, whichever comes first. */
export const between = (a: number, b: number): FrameRange => ({
  start: Math.min(a, b),
  end: Math.max(a, b) + 1,
});

export class Selection {
  readonly range = signal<FrameRange | null>(null);
  private anchor: number | null = null; // where it starts while it still follows the playhead

  /** Start at a frame, and follow the playhead from there on. */
  begin(frame: number): void {
    this.anchor = frame;
    this.follow(frame);
  }

  /** End at a frame; a selection that was never started starts at the first frame. */
  finish(frame: number): void {
    this.anchor ??= 0;
    this.follow(frame);
    this.anchor = null;
  }

  follow(frame: number): void {
    if (this.anchor !== null) this.range.value = between(this.anchor, frame);
  }

  set(range: FrameRange | null): void {
    this.anchor = null;
    this.range.value = range;
  }

  has(frame: number): boolean {
    const range = this.range.value;
    return range !== null && range.start <= frame && frame < range.end;
  }
}
