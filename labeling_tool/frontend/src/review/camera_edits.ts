// Turning the camera by keys: how far one press turns, and what it writes.

import { signal } from "@preact/signals";
import type { FrameRange } from "../types";
import { axisAlong, stepOf } from "./axes";
import type { ReviewLabels } from "./labels";
import { limit } from "./ranges";

const STEPS = [0.25, 0.5, 1, 2, 5, 10]; // degrees; of sticks see `stepOf`

/** Finer than any screen shows, and short in the log. */
export const roundDegrees = (value: number): number => Math.round(value * 1e4) / 1e4;

export class CameraEdits {
  readonly step = signal(2);

  constructor(private readonly model: ReviewLabels) {}

  turn(input: "dx" | "dy", direction: number): void {
    const { data, document, target } = this.model;
    const axis = axisAlong(data.project.axes, input);
    if (axis < 0) return;
    const { low, high } = data.project.axes[axis];
    const step = this.step.value * stepOf(data.project.axes[axis]);
    const now = document.value.camera[axis].slice(target.start, target.end);
    const values = Array.from(now, (value) => limit(value + direction * step, low, high));
    this.set(axis, target, values);
  }

  stop(): void {
    const { axes, target } = this.model;
    for (let axis = 0; axis < axes; axis++) this.set(axis, target, [0]);
  }

  changeStep(direction: number): void {
    const at = STEPS.indexOf(this.step.value) + direction;
    this.step.value = STEPS[limit(at, 0, STEPS.length - 1)];
  }

  private set(axis: number, { start, end }: FrameRange, degrees: number[]): void {
    if (this.model.readOnly) return;
    this.model.log.push("camera", { axis, start, end, values: degrees.map(roundDegrees) });
  }
}
