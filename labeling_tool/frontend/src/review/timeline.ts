// The timeline's two canvases: the roll, drawn when labels or the view change, and over it what
// moves with each step.

import { LANE, Layout } from "./layout";
import type { ReviewModel } from "./model";
import { Overlay } from "./overlay";
import { Roll } from "./roll";

/** Each of the two draw methods is to be run as an effect: it follows the signals that it reads. */
export class Timeline {
  readonly layout: Layout;
  private readonly roll: Roll;
  private readonly overlay: Overlay;

  constructor(
    readonly base: HTMLCanvasElement,
    readonly over: HTMLCanvasElement,
    model: ReviewModel,
  ) {
    this.layout = new Layout(model);
    this.roll = new Roll(this.layout);
    this.overlay = new Overlay(this.layout);
  }

  /** Fit it into a room, in CSS pixels; its lanes become no higher than said. */
  resize(width: number, room: number, high = LANE.fitting): void {
    const size = this.layout.sizeIn(width, room, high);
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.base, this.over]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(size.height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${size.height}px`;
      canvas.getContext("2d")!.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.layout.size.value = size; // last: resizing clears, this draws
  }

  draw(): void {
    if (this.layout.place.value.width) this.roll.draw(this.base.getContext("2d")!);
  }

  drawOver(): void {
    if (this.layout.place.value.width) this.overlay.draw(this.over.getContext("2d")!);
  }
}
