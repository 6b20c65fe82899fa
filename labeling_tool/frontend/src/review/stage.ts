// The frame itself, pixel by pixel on one canvas that nothing covers, and how far the camera turns
// in it, as arrows on a small one beside it.

import type { ReviewModel } from "./model";

const COMPASS = { width: 76, height: 28 }; // CSS pixels
const MOST_DEG = 60; // in one frame: what the compass can show
const REACH = COMPASS.width / 2 - 8; // px of that turn

/** Each of the two draw methods is to be run as an effect: it follows the signals that it reads. */
export class Stage {
  constructor(
    readonly picture: HTMLCanvasElement,
    readonly compass: HTMLCanvasElement,
    readonly model: ReviewModel,
  ) {
    picture.width = model.pictures.width;
    picture.height = model.pictures.height;
    const ratio = window.devicePixelRatio || 1;
    compass.width = Math.round(COMPASS.width * ratio);
    compass.height = Math.round(COMPASS.height * ratio);
    compass.style.width = `${COMPASS.width}px`;
    compass.style.height = `${COMPASS.height}px`;
    compass.getContext("2d")!.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /** Fit the picture into a box, in CSS pixels. */
  resize(width: number, height: number): void {
    const { pictures } = this.model;
    const scale = Math.min(width / pictures.width, height / pictures.height);
    this.picture.style.width = `${Math.floor(pictures.width * scale)}px`;
    this.picture.style.height = `${Math.floor(pictures.height * scale)}px`;
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

  drawCompass(): void {
    const { model } = this;
    if (!model.axes) return;
    const g = this.compass.getContext("2d")!;
    const [x, y] = [COMPASS.width / 2, COMPASS.height / 2];
    g.clearRect(0, 0, COMPASS.width, COMPASS.height);
    g.fillStyle = "rgba(255,255,255,.65)";
    g.fillRect(x - 1, y - 1, 2, 2);
    if (model.showPrediction.value)
      arrow(g, x, y, this.turnOf(model.predictions.camera), "rgba(255,255,255,.65)", 4);
    arrow(g, x, y, this.turnOf(model.document.value.camera), "#ffd23f", 2);
  }

  /** How far the camera turns in this frame, in pixels of the compass. */
  private turnOf(camera: ArrayLike<ArrayLike<number>>): [number, number] {
    let [dx, dy] = [0, 0];
    for (const [a, { input }] of this.model.data.project.axes.entries()) {
      const degrees = camera[a][this.model.frame.value];
      if (input === "dx") dx += degrees;
      else if (input === "dy") dy += degrees;
    }
    // By the root: two degrees are to be seen, and sixty are to fit.
    const length = Math.sqrt(Math.min(1, Math.hypot(dx, dy) / MOST_DEG)) * REACH;
    const share = length / Math.max(1e-9, Math.hypot(dx, dy));
    const high = COMPASS.height / 2 - 4;
    return [dx * share, Math.max(-high, Math.min(high, dy * share))];
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
  const size = 3 + wide;
  g.beginPath();
  g.moveTo(x + dx + ux * size, y + dy + uy * size);
  g.lineTo(x + dx - uy * size * 0.6, y + dy + ux * size * 0.6);
  g.lineTo(x + dx + uy * size * 0.6, y + dy - ux * size * 0.6);
  g.fill();
}
