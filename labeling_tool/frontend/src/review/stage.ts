// The frame itself: the picture pixel by pixel on one canvas, what is held on another above it.

import { signal } from "@preact/signals";
import { colors } from "./colors";
import type { ReviewModel } from "./model";

const ARROW_SCALE = 4; // display pixels per degree
const CAP = 22; // px, the height of a keycap

/** Each of the two draw methods is to be run as an effect: it follows the signals that it reads. */
export class Stage {
  private readonly size = signal({ width: 0, height: 0 }); // CSS pixels

  constructor(
    readonly picture: HTMLCanvasElement,
    readonly over: HTMLCanvasElement,
    readonly model: ReviewModel,
  ) {
    picture.width = model.pictures.width;
    picture.height = model.pictures.height;
  }

  /** Fit the picture into a box, in CSS pixels. */
  resize(width: number, height: number): void {
    const { pictures } = this.model;
    const scale = Math.min(width / pictures.width, height / pictures.height);
    const [w, h] = [Math.floor(pictures.width * scale), Math.floor(pictures.height * scale)];
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.picture, this.over]) {
      canvas.style.width = `${w}px`;
      canvas.style.height = `${h}px`;
    }
    this.over.width = Math.round(w * ratio);
    this.over.height = Math.round(h * ratio);
    this.over.getContext("2d")!.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.size.value = { width: w, height: h }; // a new object each time: resizing has cleared it
  }

  drawPicture(): void {
    const { frames } = this.model.pictures;
    const frame = this.model.frame.value;
    const g = this.picture.getContext("2d")!;
    g.globalAlpha = 1;
    g.drawImage(frames[frame], 0, 0);
    if (this.model.onion.value && frame > 0) {
      g.globalAlpha = 0.4;
      g.drawImage(frames[frame - 1], 0, 0);
    }
    this.picture.dataset.frame = String(frame);
  }

  drawOver(): void {
    const { model } = this;
    const { width, height } = this.size.value;
    const g = this.over.getContext("2d")!;
    g.clearRect(0, 0, width, height);
    if (model.axes) {
      const [x, y] = [width / 2, height / 2];
      if (model.showPrediction.value)
        arrow(g, x, y, this.turnOf(model.predictions.camera), "rgba(255,255,255,.65)", 5);
      arrow(g, x, y, this.turnOf(model.document.value.camera), "#ffd23f", 3);
    }
    this.drawCaps(g, height);
  }

  /** How far the camera turns in this frame, as an arrow on the picture. */
  private turnOf(camera: ArrayLike<ArrayLike<number>>): [number, number] {
    let [dx, dy] = [0, 0];
    for (const [a, { input }] of this.model.data.project.axes.entries()) {
      const degrees = camera[a][this.model.frame.value];
      if (input === "dx") dx += degrees;
      else dy += degrees;
    }
    return [dx * ARROW_SCALE, dy * ARROW_SCALE];
  }

  /** Keycaps of what is held, so that eyes can stay on the picture. */
  private drawCaps(g: CanvasRenderingContext2D, height: number): void {
    const { model } = this;
    const frame = model.frame.value;
    g.font = "600 12px system-ui, sans-serif";
    g.textBaseline = "middle";
    let x = 10;
    for (const [lane, row] of model.document.value.buttons.entries()) {
      if (!row[frame]) continue;
      const name = model.data.project.buttons[lane];
      const wide = g.measureText(name).width + 16;
      g.fillStyle = "rgba(10,12,18,.72)";
      g.beginPath();
      g.roundRect(x, height - CAP - 10, wide, CAP, 5);
      g.fill();
      g.strokeStyle = model.predicted[lane][frame] ? colors.value.held : colors.value.edit;
      g.lineWidth = 2;
      g.stroke();
      g.fillStyle = "#fff";
      g.fillText(name, x + 8, height - CAP / 2 - 9.5);
      x += wide + 6;
    }
  }
}

function arrow(
  g: CanvasRenderingContext2D,
  x: number,
  y: number,
  [dx, dy]: [number, number],
  color: string,
  wide: number,
): void {
  const length = Math.hypot(dx, dy);
  if (length < 1) return;
  g.strokeStyle = g.fillStyle = color;
  g.lineWidth = wide;
  g.lineCap = "round";
  g.beginPath();
  g.moveTo(x, y);
  g.lineTo(x + dx, y + dy);
  g.stroke();
  const [ux, uy] = [dx / length, dy / length];
  const size = 4 + 2 * wide;
  g.beginPath();
  g.moveTo(x + dx + ux * size, y + dy + uy * size);
  g.lineTo(x + dx - uy * size * 0.6, y + dy + ux * size * 0.6);
  g.lineTo(x + dx + uy * size * 0.6, y + dy - ux * size * 0.6);
  g.fill();
}
