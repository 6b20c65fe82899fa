// Which frames the timeline shows: zoom, and where it has been scrolled to.

import { batch, computed, signal } from "@preact/signals";
import type { FrameRange } from "../types";
import { limit } from "./ranges";

const MAX_ZOOM = 8;
const AROUND_FIT = 1.25; // of a range that fills the view: a little of what surrounds it
const MIN_VIEW = 16; // frames: fewer in the timeline say nothing about what surrounds them

export class View {
  readonly zoom = signal(1);
  private readonly scrolled = signal(0); // where it was last put to start
  private held = false; // while a mouse button is down, nothing moves under the pointer

  private readonly span = computed(() =>
    Math.min(this.frames, Math.max(MIN_VIEW, Math.round(this.frames / this.zoom.value))),
  );
  /** It scrolls after the playhead that keys and playing move, never after the mouse. */
  readonly start = computed(() => limit(this.scrolled.value, 0, this.frames - this.span.value));
  readonly end = computed(() => this.start.value + this.span.value);

  constructor(private readonly frames: number) {}

  /** Whether anything of a range is shown. */
  shows({ start, end }: FrameRange): boolean {
    return start < this.end.value && this.start.value < end;
  }

  /** A mouse button goes down (or up): until it is up, the view stays. */
  hold(down: boolean): void {
    this.held = down;
  }

  /** Scroll so far that a quarter of the view lies before and after a frame. */
  follow(frame: number): void {
    if (this.held) return;
    const span = this.span.value;
    const margin = Math.floor(span / 4);
    this.scrolled.value = limit(this.start.value, frame + margin + 1 - span, frame - margin);
  }

  /** Twice as near, around a frame; from the nearest back to the whole. */
  zoomIn(frame: number): void {
    batch(() => {
      this.setZoom(this.zoom.value >= MAX_ZOOM ? 1 : this.zoom.value * 2, frame);
      this.follow(frame);
    });
  }

  /** So near that a range fills most of the view; false where it already does. */
  fit({ start, end }: FrameRange): boolean {
    const zoom = limit(this.frames / ((end - start) * AROUND_FIT), 1, MAX_ZOOM);
    if (zoom === this.zoom.value && this.shows({ start, end })) return false;
    this.setZoom(zoom, (start + end) / 2);
    this.scrolled.value = Math.round((start + end - this.span.value) / 2);
    return true;
  }

  /** An eighth of the view onwards (1) or back (-1). */
  scrollBy(direction: number): void {
    if (!this.held)
      this.scrolled.value = this.start.value + direction * Math.ceil(this.span.value / 8);
  }

  /** Zoom around the frame under the pointer, which stays there. */
  zoomBy(factor: number, around: number): void {
    this.setZoom(limit(this.zoom.value * factor, 1, MAX_ZOOM), around);
  }

  private setZoom(zoom: number, around: number): void {
    if (this.held) return;
    const share = (around - this.start.value) / this.span.value;
    batch(() => {
      this.zoom.value = zoom;
      this.scrolled.value = Math.round(around - share * this.span.value);
    });
  }
}
