// Frames that somebody marked to come back to. They are a help for the eye, no labels: they stay on
// this device, a task each.

import { signal } from "@preact/signals";
import { forget, keep, keptJson, ownKey } from "../device";

export class Markers {
  readonly frames = signal<number[]>([]);
  private readonly key: string;

  /** Of an assignment whose task has so many frames. */
  constructor(assignment: number, count: number) {
    this.key = ownKey("markers", assignment);
    const kept = keptJson<number[]>(this.key);
    if (Array.isArray(kept)) this.frames.value = kept.filter((t) => 0 <= t && t < count);
  }

  /** Mark a frame, or take its mark away. */
  toggle(frame: number): void {
    const others = this.frames.value.filter((other) => other !== frame);
    const isNew = others.length === this.frames.value.length;
    this.frames.value = isNew ? [...others, frame].sort((a, b) => a - b) : others;
    if (this.frames.value.length) keep(this.key, JSON.stringify(this.frames.value));
    else forget(this.key);
  }

  /** The next marked frame; after the last, the first. */
  after(frame: number): number | undefined {
    return this.frames.value.find((other) => other > frame) ?? this.frames.value[0];
  }
}
