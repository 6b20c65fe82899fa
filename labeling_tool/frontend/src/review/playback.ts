// Playing: frames at the times of the source, whatever the display's rate; nothing is skipped at
// the speed of the source.

import { useEffect } from "preact/hooks";
import type { ReviewModel } from "./model";

export function usePlayback(model: ReviewModel): void {
  useEffect(() => {
    const times = model.data.task.pts_ns; // ns from the first frame
    let raf = 0;
    let clock = 0; // ns of the source at `since`
    let since = 0;
    let speed = 0;
    const tick = (now: number): void => {
      raf = requestAnimationFrame(tick);
      const playing = model.playing.value;
      if (!playing) {
        speed = 0;
        return;
      }
      if (speed !== playing) {
        speed = playing;
        clock = times[model.frame.value];
        since = now;
        return;
      }
      const at = clock + (now - since) * 1e6 * speed;
      let frame = model.frame.value;
      if (speed > 0) while (frame + 1 < times.length && times[frame + 1] <= at) frame += 1;
      else while (frame > 0 && times[frame] > at) frame -= 1;
      model.seek(frame);
      if ((speed > 0 && frame === times.length - 1) || (speed < 0 && frame === 0)) {
        model.playing.value = 0;
      }
    };
    raf = requestAnimationFrame(tick);
    return () => cancelAnimationFrame(raf);
  }, [model]);
}
