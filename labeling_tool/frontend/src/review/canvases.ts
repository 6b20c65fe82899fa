// The four canvases of the review page: made when it appears, drawn when what they show changes.

import { effect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { ReviewModel } from "./model";
import { useTimelineMouse } from "./mouse";
import { Stage } from "./stage";
import { Timeline } from "./timeline";

const TIMELINE_SHARE = 0.46; // of the window's height; the picture gets what is left
const MIN_TIMELINE = 240; // px
const MIN_STAGE = 160; // px

export function useCanvases(model: ReviewModel) {
  const stageBox = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLCanvasElement>(null);
  const compass = useRef<HTMLCanvasElement>(null);
  const timelineBox = useRef<HTMLDivElement>(null);
  const lanes = useRef<HTMLCanvasElement>(null);
  const overLanes = useRef<HTMLCanvasElement>(null);
  const timelineRef = useRef<Timeline>(null);

  // Before the first paint, as the keys: whoever sees a frame may press a key.
  useLayoutEffect(() => {
    const box = timelineBox.current!;
    const stage = new Stage(picture.current!, compass.current!, model);
    const timeline = new Timeline(lanes.current!, overLanes.current!, model);
    timelineRef.current = timeline;
    const resize = (): void => {
      timeline.resize(box.clientWidth, Math.max(MIN_TIMELINE, window.innerHeight * TIMELINE_SHARE));
      const { clientWidth, clientHeight } = stageBox.current!;
      stage.resize(clientWidth, Math.max(MIN_STAGE, clientHeight));
    };
    resize();
    resize(); // the timeline's height decides the stage's
    const stops = [
      effect(() => stage.drawPicture()),
      effect(() => stage.drawCompass()),
      effect(() => timeline.draw()),
      effect(() => timeline.drawOver()),
    ];
    window.addEventListener("resize", resize);
    box.focus({ preventScroll: true });
    return () => {
      window.removeEventListener("resize", resize);
      for (const stop of stops) stop();
    };
  }, [model]);

  useTimelineMouse(overLanes, timelineRef, model);
  return { stageBox, picture, compass, timelineBox, lanes, overLanes };
}
