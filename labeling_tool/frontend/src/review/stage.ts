// The frame itself, pixel by pixel on one canvas that nothing covers; beside it the frames before
// and after, a part of it enlarged, and how far the camera turns in it, as arrows on a small one.

import { look } from "./look";
import type { ReviewModel } from "./model";
import { limit } from "./ranges";

const LENS = 4; // times as large as in the frame
const GAP = 6; // px between the frame and what is beside it
const BESIDE_LEAST = 0.2; // of the stage's width, for each of what is beside the frame

const COMPASS = { width: 76, height: 28 }; // CSS pixels
const MOST_DEG = 60; // in one frame: what the compass can show
const REACH = COMPASS.width / 2 - 8; // px of that turn

/** The frame's own canvas and those beside it. */
export interface StageCanvases {
  picture: HTMLCanvasElement;
  before: HTMLCanvasElement;
  after: HTMLCanvasElement;
  lens: HTMLCanvasElement;
  compass: HTMLCanvasElement;
}

/** Each of the two draw methods is to be run as an effect: it follows the signals that it reads. */
export class Stage {
  constructor(
    readonly canvases: StageCanvases,
    readonly model: ReviewModel,
  ) {
    const { picture, before, after, compass } = canvases;
    for (const canvas of [picture, before, after]) fitTo(canvas, model.pictures);
    const ratio = window.devicePixelRatio || 1;
    compass.width = Math.round(COMPASS.width * ratio);
    compass.height = Math.round(COMPASS.height * ratio);
    compass.style.width = `${COMPASS.width}px`;
    compass.style.height = `${COMPASS.height}px`;
    compass.getContext("2d")!.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /** Fit the picture and what is beside it into a box, in CSS pixels: the picture comes first. */
  resize(width: number, height: number): void {
    const { pictures } = this.model;
    const shape = pictures.width / pictures.height;
    const { picture, before, after, lens } = this.canvases;
    const beside = (look.neighbors.value ? 2 : 0) + (look.lens.value ? 1 : 0);
    const room = width - beside * GAP;
    const whole = Math.min(room, height * shape);
    // What the picture leaves of the width, but so much that something can be seen in it.
    const spare = beside ? Math.max((room - whole) / beside, room * BESIDE_LEAST) : 0;
    const small = Math.min(spare, height * shape);
    const large = Math.min(whole, room - beside * small);
    const give = (canvas: HTMLCanvasElement, wide: number): void => {
      canvas.style.width = `${Math.floor(wide)}px`;
      canvas.style.height = `${Math.floor(wide / shape)}px`;
    };
    give(picture, large);
    for (const canvas of [before, after, lens]) give(canvas, small);
  }

  drawPicture(): void {
    const { frames } = this.model.pictures;
    const frame = this.model.frame.value;
    const { picture, before, after } = this.canvases;
    const best = this.model.full.at(frame);
    fitTo(picture, best);
    const g = picture.getContext("2d")!;
    g.globalAlpha = 1;
    g.drawImage(best, 0, 0);
    if (this.model.onion.value && frame > 0) {
      g.globalAlpha = 0.4;
      g.drawImage(frames[frame - 1], 0, 0, picture.width, picture.height);
    }
    picture.dataset.frame = String(frame);
    if (look.neighbors.value) {
      paint(before, frames[frame - 1]);
      paint(after, frames[frame + 1]);
    }
    if (look.lens.value) this.drawLens();
  }

  /** A part of the frame, pixel by pixel; the page enlarges it. */
  private drawLens(): void {
    const { lens } = this.canvases;
    const frame = this.model.full.at(this.model.frame.value);
    const { width, height } = frame;
    fitTo(lens, { width: Math.ceil(width / LENS), height: Math.ceil(height / LENS) });
    const [x, y] = look.lensAt.value;
    const left = limit(Math.round(x * width - lens.width / 2), 0, width - lens.width);
    const top = limit(Math.round(y * height - lens.height / 2), 0, height - lens.height);
    const part = [left, top, lens.width, lens.height] as const;
    const g = lens.getContext("2d")!;
    g.drawImage(frame, ...part, 0, 0, lens.width, lens.height);
    lens.dataset.part = part.join(" ");
  }

  drawCompass(): void {
    const { model } = this;
    if (!model.axes) return;
    const g = this.canvases.compass.getContext("2d")!;
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

/** Give a canvas a size in pixels, where it has another one: that empties it. */
function fitTo(canvas: HTMLCanvasElement, { width, height }: { width: number; height: number }) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/** A frame on a canvas of its size; black where there is none. */
function paint(canvas: HTMLCanvasElement, frame: ImageBitmap | undefined): void {
  const g = canvas.getContext("2d")!;
  if (frame) g.drawImage(frame, 0, 0);
  else g.clearRect(0, 0, canvas.width, canvas.height);
  canvas.dataset.shows = frame ? "frame" : "nothing";
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
