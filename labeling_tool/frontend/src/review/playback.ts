// Playing: frames at the times of the source, whatever the display's rate; nothing is skipped at
// the speed of the source.

import { useEffect } from "preact/hooks";
import type { ReviewModel } from "./model";

/** The frame that is due at a time of the source, coming from a frame, up to a last one. */
function due(times: number[], from: number, at: number, speed: number, last: number): number {
  let frame = from;
  if (speed > 0) while (frame < last && times[frame + 1] <= at) frame += 1;
  else while (frame > 0 && times[frame] > at) frame -= 1;
  return frame;
}

/** Plays a model's frames; `tick` is called at each drawing of the display, with its time in ms. */
export class Player {
  private clock = 0; // ns of the source at `since`
  private since = 0;
  private speed = 0;
  private shown = -1;

  constructor(private readonly model: ReviewModel) {}

  tick(now: number): void {
    const { model } = this;
    const times = model.data.task.pts_ns; // ns from the first frame
    const speed = model.watch.playing.value;
    if (speed !== this.speed || model.frame.value !== this.shown) {
      this.start(now, speed); // it begins, or something else has moved the playhead
      return;
    }
    if (!speed) return;
    const loop = model.watch.loop.value;
    const last = loop ? loop.end - 1 : times.length - 1;
    const at = this.clock + (now - this.since) * 1e6 * speed;
    const from = model.frame.value;
    if (loop && (from > last || at >= times[last] + this.length(last))) {
      model.along.wrap(loop.end, loop.start);
      model.show(loop.start);
      this.start(now, speed);
      return;
    }
    const frame = due(times, from, at, speed, last);
    model.show(frame);
    this.shown = frame;
    if (!loop && ((speed > 0 && frame === last) || (speed < 0 && frame === 0))) model.watch.stop();
  }

  private start(now: number, speed: number): void {
    this.shown = this.model.frame.value;
    this.clock = this.model.data.task.pts_ns[this.shown];
    this.since = now;
    this.speed = speed;
  }

  /** How long a frame is shown, in ns: as long as the one before it, since the last has no end. */
  private length(frame: number): number {
    const times = this.model.data.task.pts_ns;
    return frame > 0 ? times[frame] - times[frame - 1] : 0;
  }
}

export function usePlayback(model: ReviewModel): void {
  useEffect(() => {
    const player = new Player(model);
    let raf = 0;
    const tick = (now: number): void => {
      raf = requestAnimationFrame(tick);
      player.tick(now);
    };
    raf = requestAnimationFrame(tick);
    return () => cancelAnimationFrame(raf);
  }, [model]);
}
