// The state of an action-review screen: what steps and edits do to its labels and its parts.
// What is watched and decided, presses as objects, the view and the camera have files of their own;
// drawing and keys live elsewhere.

import { batch, signal } from "@preact/signals";
import { type ActionDocument, CAMERA_SAME_DEG } from "../document";
import { person } from "../session";
import { between } from "../task/selection";
import type { OpenTask } from "../task/useTask";
import type { FrameRange } from "../types";
import { CameraEdits, roundDegrees } from "./camera_edits";
import { Fold } from "./fold";
import { type Mode, ReviewLabels } from "./labels";
import { Markers } from "./markers";
import { PlayAlong } from "./play_along";
import { Presses } from "./presses";
import { contains, edgesOf, limit, pressesOf } from "./ranges";
import { Watch } from "./watch";

export class ReviewModel extends ReviewLabels {
  readonly stride = 10;
  readonly markers: Markers;
  readonly fold = new Fold(this);
  readonly watch = new Watch(this);
  readonly presses = new Presses(this);
  readonly camera = new CameraEdits(this);
  readonly along = new PlayAlong(this, this.watch);

  readonly showPrediction = signal(true);
  readonly onion = signal(false);

  constructor(task: OpenTask) {
    super(task);
    this.markers = new Markers(this.data.assignment.id, this.frames);
    this.watch.begin();
  }

  /** Say what another answer says, in these frames. */
  takeAnswer({ document }: { document: ActionDocument }, { start, end }: FrameRange): void {
    if (this.readOnly) return;
    batch(() => {
      for (let lane = 0; lane < this.lanes; lane++) {
        const theirs = document.buttons[lane];
        for (const value of [0, 1] as const) {
          const cells = theirs.map((held, t) =>
            start <= t && t < end && held === value && this.document.value.buttons[lane][t] !== held
              ? 1
              : 0,
          );
          for (const range of pressesOf(cells)) this.setLane(lane, range, value);
        }
      }
      for (let axis = 0; axis < this.axes; axis++) {
        const values = Array.from(document.camera[axis].slice(start, end), roundDegrees);
        const now = this.document.value.camera[axis];
        if (values.some((degrees, i) => Math.abs(degrees - now[start + i]) > CAMERA_SAME_DEG))
          this.log.push("camera", { axis, start, end, values });
      }
    });
  }

  /** Whether runs are played as they come in hand: not in lessons, nor for who wants no motion. */
  get isWatched(): boolean {
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const isWork = !this.readOnly && this.data.mine && !this.data.project.practice;
    return (isWork || this.isReview) && !isStill && person.value?.settings.watch !== false;
  }

  get unfinished(): string {
    if (this.isReview) return "";
    const open = this.watch.open.value.length;
    const runs = open ? `${open} uncertain ${open === 1 ? "run is" : "runs are"} still open.` : "";
    return `${this.clashText} ${runs}`.trim();
  }

  /** What contradicts itself, as a sentence; empty where nothing does. */
  private get clashText(): string {
    const [first, ...others] = this.clashes.value;
    if (!first) return "";
    const names = first.lanes.map((lane) => this.data.project.buttons[lane]).join(" and ");
    const more = others.length ? ` (and ${others.length} more)` : "";
    return `${names} exclude each other, and are both held at frame ${first.start + 1}${more}.`;
  }

  /** Submit asks about contradictions, at the first of them. */
  override confirmSubmit(): boolean {
    const [first] = this.clashes.value;
    if (first && !this.readOnly) {
      this.watch.stop(); // or its loop would go on from there
      this.visit(first.start);
    }
    return super.confirmSubmit();
  }

  /** A loop that does not play it would lead away at once. */
  override leadTo(frame: number): void {
    const { loop } = this.watch;
    if (!loop.value || !contains(loop.value, frame)) this.watch.stop();
    this.visit(frame);
  }

  /** Go there by a key: whoever steps looks at single frames, so a loop ends. */
  override seek(frame: number): void {
    batch(() => {
      if (this.watch.loop.value) this.watch.stop();
      this.show(frame);
      this.watch.followKey(this.frame.value);
    });
  }

  /** Show a frame, as playing does. */
  show(frame: number): void {
    const from = this.frame.value;
    const next = limit(frame, 0, this.frames - 1);
    if (next === from) return;
    batch(() => {
      super.seek(next);
      this.view.follow(next);
      const value = this.brush;
      if (value !== null) this.setLane(this.lane.value, between(from, next), value);
    });
  }

  /** Put the playhead where the mouse is: no scrolling, and no painting of what lies between. */
  point(frame: number): void {
    batch(() => {
      super.seek(frame);
      this.watch.followPointer();
    });
  }

  /** Put the playhead somewhere by the overview, which is there to scroll. */
  scrollTo(frame: number): void {
    batch(() => {
      this.point(frame);
      this.view.follow(this.frame.value);
    });
  }

  /** A mouse button goes down (or up) on the timeline: until it is up, nothing moves. */
  hold(down: boolean): void {
    this.view.hold(down);
    if (down) this.watch.stop();
  }

  /** What stepping writes into the lane; null where it writes nothing. */
  private get brush(): 0 | 1 | null {
    if (this.mode.value === "paint") return 1;
    return this.mode.value === "erase" ? 0 : null;
  }

  /** The first frame of what an edit would change decides which way a toggle goes. */
  toggleLane(lane: number): void {
    if (lane >= this.lanes) return;
    const { target } = this;
    this.lane.value = lane;
    this.setLane(lane, target, this.document.value.buttons[lane][target.start] ? 0 : 1);
  }

  /**
   * A lane's own key. While a loop runs nobody can aim at a frame: then it takes the lane's press
   * in hand, and where nothing is held it stops. Else it holds or releases the lane at the frame.
   */
  pressLaneKey(lane: number): void {
    const loop = this.watch.loop.value;
    const isTaken = this.presses.taken.value?.lane === lane;
    if (lane >= this.lanes || this.readOnly) return;
    if (isTaken) this.presses.swapEdge();
    else if (!loop || this.selection.range.value) this.toggleLane(lane);
    else {
      const run = this.watch.run.value ?? loop;
      const middle = (run.start + run.end - 1) / 2;
      if (!this.presses.take(lane, middle)) this.watch.stop();
    }
  }

  /** Take the press at the playhead, or the nearest in the lane. */
  takePress(): void {
    if (!this.readOnly) this.presses.take(this.lane.value, this.frame.value);
  }

  /** Move the change of the lane that is nearest to the playhead by one frame. */
  nudge(direction: 1 | -1): void {
    const lane = this.lane.value;
    if (lane >= this.lanes || this.readOnly) return;
    const row = this.document.value.buttons[lane];
    const edges = edgesOf(row);
    if (!edges.length) {
      this.say("This lane has no change to move.");
      return;
    }
    const away = (edge: number): number => Math.abs(edge - this.frame.value);
    const edge = edges.reduce((best, other) => (away(other) < away(best) ? other : best));
    const value = direction > 0 ? row[edge - 1] : row[edge];
    const at = direction > 0 ? edge : edge - 1;
    if (at < 0 || at >= this.frames) return;
    batch(() => {
      this.log.push("paint", { lane, start: at, end: at + 1, value });
      this.visit(edge + direction);
    });
  }

  jumpEdge(direction: 1 | -1): void {
    const edges = edgesOf(this.document.value.buttons[Math.min(this.lane.value, this.lanes - 1)]);
    const frame = this.frame.value;
    const next =
      direction > 0 ? edges.find((edge) => edge > frame) : edges.reverse().find((e) => e < frame);
    if (next === undefined) this.say("No further change in this lane.");
    else this.seek(next);
  }

  edit(kind: "release" | "reset"): void {
    if (!this.readOnly) this.log.push(kind, { ...this.target });
  }

  override clear(): void {
    super.clear();
    this.along.releaseAll();
    this.presses.letGo();
    this.mode.value = "normal";
  }

  /** Enter a mode, or leave it. Painting starts with what is at hand. */
  setMode(mode: Mode): void {
    batch(() => {
      this.mode.value = this.mode.value === mode ? "normal" : mode;
      const value = this.brush;
      if (value !== null) this.setLane(this.lane.value, this.target, value);
    });
  }

  /** Let the game's own keys write into the lanes while a loop runs, or no more. */
  playAlong(): void {
    if (this.readOnly) return;
    this.along.releaseAll();
    this.setMode("along");
    if (this.mode.value === "along" && !this.watch.loop.value) this.watch.loopHere();
  }

  /** Go to the next frame that somebody marked. */
  nextMarker(): void {
    const next = this.markers.after(this.frame.value);
    if (next === undefined) this.say("No frame is marked.");
    else this.seek(next);
  }

  toggleCamera(): void {
    if (this.axes) this.setMode("camera");
    else this.say("This game has no camera.");
  }

  moveLane(step: number): void {
    const shown = this.fold.shown.value;
    const at = shown.indexOf(this.lane.value) + step;
    this.lane.value = shown[(at + shown.length) % shown.length];
  }
}
