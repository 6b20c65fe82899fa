// The canvases of the review page: made when it appears, drawn when what they show changes.

import { effect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { LANE } from "./layout";
import { followFullScreen, look } from "./look";
import type { ReviewModel } from "./model";
import { useTimelineMouse } from "./mouse";
import { Stage } from "./stage";
import { Timeline } from "./timeline";

const TIMELINE_SHARE = 0.46; // of the window's height at most; the picture gets what is left
const MIN_TIMELINE = 240; // px, where nobody has divided
const MIN_STAGE = 160; // px

export function useCanvases(model: ReviewModel) {
  const stageBox = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLCanvasElement>(null);
  const before = useRef<HTMLCanvasElement>(null);
  const after = useRef<HTMLCanvasElement>(null);
  const lens = useRef<HTMLCanvasElement>(null);
  const compass = useRef<HTMLCanvasElement>(null);
  const timelineBox = useRef<HTMLDivElement>(null);
  const lanes = useRef<HTMLCanvasElement>(null);
  const overLanes = useRef<HTMLCanvasElement>(null);
  const timelineRef = useRef<Timeline>(null);

  // Before the first paint, as the keys: whoever sees a frame may press a key.
  useLayoutEffect(() => {
    const box = timelineBox.current!;
    const canvases = {
      picture: picture.current!,
      before: before.current!,
      after: after.current!,
      lens: lens.current!,
      compass: compass.current!,
    };
    const stage = new Stage(canvases, model);
    const timeline = new Timeline(lanes.current!, overLanes.current!, model);
    timelineRef.current = timeline;
    const fitTimeline = (): void => {
      const share = look.share.value;
      const room = window.innerHeight * (share ?? TIMELINE_SHARE);
      const most = share === null ? Math.max(MIN_TIMELINE, room) : room;
      box.style.maxHeight = share === null ? "" : `${Math.round(room)}px`; // then it scrolls
      timeline.resize(box.clientWidth, most, share === null ? LANE.fitting : LANE.high);
    };
    const fitStage = (): void => {
      const { clientWidth, clientHeight } = stageBox.current!;
      stage.resize(clientWidth, Math.max(MIN_STAGE, clientHeight));
    };
    // The stage has what the timeline, the notices and the window leave it.
    const watching = new ResizeObserver(fitStage);
    watching.observe(stageBox.current!);
    let width = 0;
    const watchingWidth = new ResizeObserver(() => {
      if (box.clientWidth !== width) fitTimeline(); // its height is its own doing
      width = box.clientWidth;
    });
    watchingWidth.observe(box);
    const stops = [
      followFullScreen(),
      model.full.follow(model.frame),
      effect(fitTimeline),
      effect(fitStage),
      effect(() => stage.drawPicture()),
      effect(() => stage.drawCompass()),
      effect(() => timeline.draw()),
      effect(() => timeline.drawOver()),
    ];
    window.addEventListener("resize", fitTimeline);
    box.focus({ preventScroll: true });
    return () => {
      window.removeEventListener("resize", fitTimeline);
      watching.disconnect();
      watchingWidth.disconnect();
      for (const stop of stops) stop();
    };
  }, [model]);

  useTimelineMouse(overLanes, timelineRef, model);
  const stage = { picture, before, after, lens };
  return { stageBox, stage, compass, timelineBox, lanes, overLanes };
}
