// The state of an action-review screen and everything that can be done to it; drawing and keys live
// elsewhere.

import { batch, computed, signal } from "@preact/signals";
import {
  clashesOf,
  type Doubts,
  doubtsOf,
  isHandled,
  mostDoubtful,
  predictedButtons,
  replayActions,
  uncertainRuns,
} from "../document";
import { TaskModel } from "../task/model";
import { between } from "../task/selection";
import type { OpenTask } from "../task/useTask";
import type { FrameRange, Kind, Operation, Payload } from "../types";

export type Mode = "normal" | "paint" | "erase" | "camera";

const SPEEDS = [1, 2, 4, 8];
const CAMERA_STEPS = [0.25, 0.5, 1, 2, 5, 10]; // degrees
const MAX_ZOOM = 8;
const MIN_VIEW = 16; // frames: fewer in the timeline say nothing about what surrounds them
const AROUND = 4; // frames: to see how a run begins and ends one looks a little past it

/** Finer than any screen shows, and short in the log. */
export const roundDegrees = (value: number): number => Math.round(value * 1e4) / 1e4;

const limit = (value: number, low: number, high: number): number =>
  Math.max(low, Math.min(high, value));

export class ReviewModel extends TaskModel {
  readonly stride = 10;
  readonly lanes: number;
  readonly axes: number;
  readonly predicted: Uint8Array[];
  readonly doubts: Doubts;
  readonly runs: FrameRange[];

  readonly lane = signal(0);
  readonly mode = signal<Mode>("normal");
  readonly cameraStep = signal(2);
  readonly playing = signal(0); // -8 … 8 times the real speed; 0 stands still
  readonly showPrediction = signal(true);
  readonly onion = signal(false);
  readonly zoom = signal(1);

  /** The run in hand: what Enter accepts. It is drawn, and playing never changes it. */
  readonly run = signal<FrameRange | null>(null);
  /** What is played again and again; null where playing goes on to the end. */
  readonly loop = signal<FrameRange | null>(null);

  private readonly drafted = signal<Operation | null>(null);
  private readonly scrolled = signal(0); // where the view was last put to start
  private held = false; // while a mouse button is down, nothing moves under the pointer

  readonly document = computed(() => {
    const draft = this.drafted.value;
    const operations = this.log.all.value;
    return replayActions(this.predictions, draft ? [...operations, draft] : operations);
  });
  readonly openRuns = computed(() =>
    this.runs.filter((run) => !isHandled(run, this.document.value)),
  );
  readonly clashes = computed(() => clashesOf(this.document.value, this.data.project.exclusive));
  readonly runAtFrame = computed(() => this.runAt(this.frame.value));
  private readonly span = computed(() =>
    Math.min(this.frames, Math.max(MIN_VIEW, Math.round(this.frames / this.zoom.value))),
  );
  /** The timeline scrolls after the playhead that keys and playing move, never after the mouse. */
  readonly viewStart = computed(() => limit(this.scrolled.value, 0, this.frames - this.span.value));
  readonly viewEnd = computed(() => this.viewStart.value + this.span.value);

  constructor(task: OpenTask) {
    super(task);
    this.lanes = this.data.project.buttons.length;
    this.axes = this.data.project.axes.length;
    this.predicted = predictedButtons(this.predictions);
    this.doubts = doubtsOf(this.predictions, this.data.project.threshold);
    this.runs = uncertainRuns(this.doubts.any);
    const [first] = this.openRuns.value;
    if (first) this.take(first);
  }

  get predictions() {
    return this.data.predictions!;
  }

  /** What an edit applies to: the selection, else the frame. */
  get target(): FrameRange {
    const frame = this.frame.value;
    return this.selection.range.value ?? { start: frame, end: frame + 1 };
  }

  get unfinished(): string {
    const open = this.openRuns.value.length;
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

  /** The lanes that are held with a lane at a frame although they exclude it. */
  against(lane: number, frame: number): number[] {
    const clash = this.clashes.value.find(
      ({ lanes, start, end }) => lanes.includes(lane) && start <= frame && frame < end,
    );
    return clash ? clash.lanes.filter((other) => other !== lane) : [];
  }

  /** Submit asks about contradictions, at the first of them. */
  override confirmSubmit(): boolean {
    const [first] = this.clashes.value;
    if (first && !this.readOnly) this.visit(first.start);
    return super.confirmSubmit();
  }

  /** Go there by a key: a few frames past the run in hand it stays in hand. */
  override seek(frame: number): void {
    batch(() => {
      this.show(frame);
      const run = this.run.value;
      const { start, end } = this.around(run);
      if (this.frame.value < start || end <= this.frame.value)
        this.run.value = this.runAtFrame.value;
    });
  }

  private runAt(frame: number): FrameRange | null {
    return this.runs.find((run) => run.start <= frame && frame < run.end) ?? null;
  }

  /** A run with what one looks at around it; nothing where there is none. */
  private around(run: FrameRange | null): FrameRange {
    if (!run) return { start: 0, end: 0 };
    return {
      start: Math.max(0, run.start - AROUND),
      end: Math.min(this.frames, run.end + AROUND),
    };
  }

  /** Show a frame, as playing does. */
  show(frame: number): void {
    const from = this.frame.value;
    const next = limit(frame, 0, this.frames - 1);
    if (next === from) return;
    batch(() => {
      super.seek(next);
      this.follow();
      const value = this.brush;
      if (value !== null) this.setLane(this.lane.value, between(from, next), value);
    });
  }

  /** Jump there: nothing is painted on the way, whatever the mode. */
  private visit(frame: number): void {
    batch(() => {
      super.seek(frame);
      this.follow();
    });
  }

  /** Put the playhead where the mouse is: no scrolling, and no painting of what lies between. */
  point(frame: number): void {
    batch(() => {
      super.seek(frame);
      this.run.value = this.runAtFrame.value;
    });
  }

  /** Put the playhead somewhere by the overview, which is there to scroll. */
  scrollTo(frame: number): void {
    batch(() => {
      this.point(frame);
      this.follow();
    });
  }

  /** A mouse button goes down (or up) on the timeline: until it is up, the view stays. */
  hold(down: boolean): void {
    this.held = down;
    if (down) this.stop();
  }

  /** Scroll so far that a quarter of the view lies before and after the playhead. */
  private follow(): void {
    if (this.held) return;
    const span = this.span.value;
    const margin = Math.floor(span / 4);
    const frame = this.frame.value;
    this.scrolled.value = limit(this.viewStart.value, frame + margin + 1 - span, frame - margin);
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

  private setLane(lane: number, { start, end }: FrameRange, value: 0 | 1): void {
    if (this.readOnly || lane >= this.lanes) return;
    const row = this.document.value.buttons[lane].subarray(start, end);
    // An edit that changes nothing is none: undo would seem to do nothing for it.
    if (row.some((held) => held !== value)) this.log.push("paint", { lane, start, end, value });
  }

  private setCamera(axis: number, { start, end }: FrameRange, degrees: number[]): void {
    if (this.readOnly) return;
    this.log.push("camera", { axis, start, end, values: degrees.map(roundDegrees) });
  }

  /** Show an edit that is still being drawn with the mouse; null takes it away. */
  draft(edit: { kind: Kind; payload: Payload } | null): void {
    this.drafted.value = edit && { id: "draft", client_ms: 0, ...edit };
  }

  turn(input: "dx" | "dy", direction: number): void {
    const axis = this.data.project.axes.findIndex((a) => a.input === input);
    if (axis < 0) return;
    const { start, end } = this.target;
    const most = this.data.project.axes[axis].max_deg;
    const values = Array.from(this.document.value.camera[axis].slice(start, end), (degrees) =>
      limit(degrees + direction * this.cameraStep.value, -most, most),
    );
    this.setCamera(axis, { start, end }, values);
  }

  stopCamera(): void {
    const { target } = this;
    for (let axis = 0; axis < this.axes; axis++) this.setCamera(axis, target, [0]);
  }

  changeStep(direction: number): void {
    const at = CAMERA_STEPS.indexOf(this.cameraStep.value) + direction;
    this.cameraStep.value = CAMERA_STEPS[limit(at, 0, CAMERA_STEPS.length - 1)];
  }

  /** Move the change of the lane that is nearest to the playhead by one frame. */
  nudge(direction: 1 | -1): void {
    const lane = this.lane.value;
    if (lane >= this.lanes || this.readOnly) return;
    const row = this.document.value.buttons[lane];
    const edges = this.edges(lane);
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
      this.frame.value = limit(edge + direction, 0, this.frames - 1);
      this.follow();
    });
  }

  /** Frames at which a lane changes (the first frame after the change). */
  private edges(lane: number): number[] {
    const row = this.document.value.buttons[Math.min(lane, this.lanes - 1)];
    const found: number[] = [];
    for (let t = 1; t < this.frames; t++) if (row[t] !== row[t - 1]) found.push(t);
    return found;
  }

  jumpEdge(direction: 1 | -1): void {
    const edges = this.edges(this.lane.value);
    const frame = this.frame.value;
    const next =
      direction > 0 ? edges.find((edge) => edge > frame) : edges.reverse().find((e) => e < frame);
    if (next === undefined) this.say("No further change in this lane.");
    else this.seek(next);
  }

  /** Take a run in hand and go to its start and the lane it is about; where runs are looped, it is looped. */
  private take(run: FrameRange): void {
    batch(() => {
      this.visit(run.start);
      this.run.value = run;
      const lane = mostDoubtful(this.doubts, run);
      if (lane >= 0) this.lane.value = lane;
      if (this.loop.value) this.loop.value = this.around(run);
    });
  }

  jumpUncertain(direction: 1 | -1): void {
    // The open ones first; where none is left, all of them, to look at them again.
    const open = this.openRuns.value.length ? this.openRuns.value : this.runs;
    const run = this.run.value;
    const frame = this.frame.value;
    const from = run?.start ?? frame;
    const next =
      direction > 0
        ? (open.find((other) => other.start > from) ?? open[0])
        : run && frame >= run.end // from beyond the run in hand, to its own start
          ? run
          : (open.filter((other) => other.start < from).at(-1) ?? open.at(-1));
    if (!next) this.say("The model was sure everywhere. Look it through, then submit.");
    else if (next === run && next.start === frame) this.say("This is the only uncertain run.");
    else this.take(next);
  }

  /** What a decision is about: the selection, else the run in hand. */
  get decided(): FrameRange | null {
    return this.selection.range.value ?? this.run.value;
  }

  /** Whether what would be decided is drawn; else go there, to be asked again. */
  private isSeen(range: FrameRange): boolean {
    if (range.start < this.viewEnd.value && this.viewStart.value < range.end) return true;
    this.visit(range.start);
    this.say("Out of view; here it is. Press again to decide about it.");
    return false;
  }

  accept(): void {
    const target = this.decided;
    if (this.readOnly || (target && !this.isSeen(target))) return;
    batch(() => {
      if (target) {
        this.log.push("accept", { start: target.start, end: target.end, value: true });
        this.clear();
      }
      const open = this.openRuns.value;
      const from = target?.end ?? this.frame.value + 1;
      const next = open.find((run) => run.end > from) ?? open[0];
      if (next) this.take(next);
      else this.finishRuns();
    });
  }

  private finishRuns(): void {
    this.run.value = null;
    this.loop.value = null;
    this.playing.value = 0;
    this.say("No uncertain run is left. Submit when you are content.");
  }

  mark(kind: "unsure" | "invalid"): void {
    if (this.readOnly) return;
    const selected = this.selection.range.value;
    // Doubt is about a run; that there is no label (a menu, say) is seen frame by frame.
    const run = kind === "unsure" ? this.run.value : null;
    const { start, end } = selected ?? run ?? this.target;
    if (!this.isSeen({ start, end })) return;
    const { unsure, valid } = this.document.value;
    const isSet = kind === "unsure" ? unsure[start] === 1 : valid[start] === 0;
    batch(() => {
      this.log.push(kind, { start, end, value: !isSet });
      if (!isSet && kind === "unsure" && !selected) this.jumpUncertain(1);
    });
  }

  edit(kind: "release" | "reset"): void {
    if (!this.readOnly) this.log.push(kind, { ...this.target });
  }

  selectRun(): void {
    const run = this.run.value;
    if (run) this.selection.set({ ...run });
    else this.say("No uncertain run here.");
  }

  override clear(): void {
    super.clear();
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

  toggleCamera(): void {
    if (this.axes) this.setMode("camera");
    else this.say("This game has no camera.");
  }

  moveLane(step: number): void {
    this.lane.value = (this.lane.value + step + this.lanes) % this.lanes;
  }

  /** Play the run in hand again and again, where the playhead is at it; else on to the end. */
  togglePlay(): void {
    const range = this.around(this.run.value);
    const frame = this.frame.value;
    batch(() => {
      this.loop.value =
        !this.playing.value && range.start <= frame && frame < range.end ? range : null;
      this.playing.value = this.playing.value ? 0 : 1;
    });
  }

  stop(): void {
    this.loop.value = null;
    this.playing.value = 0;
  }

  shuttle(direction: 1 | -1): void {
    this.loop.value = null;
    const speed = Math.abs(this.playing.value);
    const faster = SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(speed) + 1)];
    this.playing.value = direction * (Math.sign(this.playing.value) === direction ? faster : 1);
  }

  zoomIn(): void {
    batch(() => {
      this.setZoom(this.zoom.value >= MAX_ZOOM ? 1 : this.zoom.value * 2, this.frame.value);
      this.follow();
    });
  }

  /** Zoom around the frame under the pointer, which stays there. */
  zoomBy(factor: number, around: number): void {
    this.setZoom(limit(this.zoom.value * factor, 1, MAX_ZOOM), around);
  }

  private setZoom(zoom: number, around: number): void {
    if (this.held) return;
    const share = (around - this.viewStart.value) / this.span.value;
    batch(() => {
      this.zoom.value = zoom;
      this.scrolled.value = Math.round(around - share * this.span.value);
    });
  }
}
