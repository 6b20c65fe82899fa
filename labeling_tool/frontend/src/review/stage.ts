// The frame itself: the picture pixel by pixel on one canvas, what we say about it on another above.

import type { ReviewModel } from "./model";
import { readColours } from "./timeline";

const ARROW_SCALE = 4; // display pixels a degree
const CAP = 22;

export class Stage {
  private shown = -1;

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
    this.draw(true);
  }

  draw(always = false): void {
    const { model } = this;
    if (always || this.shown !== model.frame) {
      const g = this.picture.getContext("2d")!;
      g.globalAlpha = 1;
      g.drawImage(model.pictures.frames[model.frame], 0, 0);
      if (model.onion && model.frame > 0) {
        g.globalAlpha = 0.4;
        g.drawImage(model.pictures.frames[model.frame - 1], 0, 0);
        g.globalAlpha = 1;
      }
      this.shown = model.frame;
      this.picture.dataset.frame = String(model.frame);
    }
    this.drawOver();
  }

  private drawOver(): void {
    const { model } = this;
    const g = this.over.getContext("2d")!;
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = [this.over.width / ratio, this.over.height / ratio];
    g.clearRect(0, 0, w, h);
    const { axes } = model.data.project;
    if (axes.length) {
      const vector = (source: ArrayLike<ArrayLike<number>>): [number, number] => {
        let [dx, dy] = [0, 0];
        axes.forEach((axis, a) => {
          if (axis.input === "dx") dx += source[a][model.frame];
          else dy += source[a][model.frame];
        });
        return [dx * ARROW_SCALE, dy * ARROW_SCALE];
      };
      if (model.showPrediction)
        arrow(g, w / 2, h / 2, vector(model.predictions.camera), "rgba(255,255,255,.65)", 5);
      arrow(g, w / 2, h / 2, vector(model.document.camera), "#ffd23f", 3);
    }
    this.drawCaps(g, h);
  }

  /** Keycaps of what is held, so that eyes can stay on the picture. */
  private drawCaps(g: CanvasRenderingContext2D, h: number): void {
    const { model } = this;
    const colours = readColoursOnce();
    g.font = "600 12px system-ui, sans-serif";
    g.textBaseline = "middle";
    let x = 10;
    model.document.buttons.forEach((row, lane) => {
      if (!row[model.frame]) return;
      const name = model.data.project.buttons[lane];
      const wide = g.measureText(name).width + 16;
      g.fillStyle = "rgba(10,12,18,.72)";
      roundRect(g, x, h - CAP - 10, wide, CAP, 5);
      g.fill();
      g.strokeStyle = model.predicted[lane][model.frame] ? colours.held : colours.edit;
      g.lineWidth = 2;
      g.stroke();
      g.fillStyle = "#fff";
      g.fillText(name, x + 8, h - CAP / 2 - 9.5);
      x += wide + 6;
    });
  }
}

let colours: ReturnType<typeof readColours> | null = null;
window.addEventListener("themechange", () => {
  colours = null;
});
function readColoursOnce(): ReturnType<typeof readColours> {
  colours ??= readColours();
  return colours;
}

function roundRect(
  g: CanvasRenderingContext2D,
  x: number,
  y: number,
  w: number,
  h: number,
  r: number,
): void {
  g.beginPath();
  g.roundRect(x, y, w, h, r);
}

function arrow(
  g: CanvasRenderingContext2D,
  x: number,
  y: number,
  [dx, dy]: [number, number],
  colour: string,
  wide: number,
): void {
  const length = Math.hypot(dx, dy);
  if (length < 1) return;
  g.strokeStyle = g.fillStyle = colour;
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
