// The state of an action-review screen and everything that can be done to it; drawing and keys live elsewhere.

import type { Pictures } from "../bundle";
import {
  type ActionDocument,
  isHandled,
  predictedButtons,
  type Run,
  replayActions,
  uncertainRuns,
} from "../document";
import type { OperationLog } from "../oplog";
import type { TaskData } from "../types";

export type Mode = "normal" | "paint" | "erase" | "camera";
export interface Selection {
  start: number;
  end: number;
}

const SPEEDS = [1, 2, 4, 8];
const CAMERA_STEPS = [0.25, 0.5, 1, 2, 5, 10]; // degrees

export class ReviewModel {
  readonly frames: number;
  readonly lanes: number;
  readonly axes: number;
  readonly predicted: Uint8Array[];
  readonly runs: Run[];
  document: ActionDocument;
  frame = 0;
  lane = 0;
  selection: Selection | null = null;
  selectionStart: number | null = null;
  mode: Mode = "normal";
  cameraStep = 2;
  playing = 0; // -8 … 8 times the real speed; 0 stands still
  showPrediction = true;
  onion = false;
  zoom = 1;
  notice = "";
  submitArmed = false;

  onFrame: () => void = () => {};
  onLabels: () => void = () => {};
  onView: () => void = () => {};

  constructor(
    readonly data: TaskData,
    readonly pictures: Pictures,
    readonly log: OperationLog,
    readonly readOnly: boolean,
  ) {
    const predictions = data.predictions!;
    this.frames = data.task.frames;
    this.lanes = data.project.buttons.length;
    this.axes = data.project.axes.length;
    this.predicted = predictedButtons(predictions);
    this.runs = uncertainRuns(predictions.confidence, data.project.threshold);
    this.document = replayActions(predictions, log.all);
    this.frame = this.runs.find((run) => !isHandled(run, this.document))?.start ?? 0;
  }

  get predictions() {
    return this.data.predictions!;
  }

  /** What an edit applies to: the selection, else the frame. */
  get target(): Selection {
    return this.selection ?? { start: this.frame, end: this.frame + 1 };
  }

  get runAtFrame(): Run | null {
    return this.runs.find((run) => run.start <= this.frame && this.frame < run.end) ?? null;
  }

  get openRuns(): Run[] {
    return this.runs.filter((run) => !isHandled(run, this.document));
  }

  relabel(): void {
    this.document = replayActions(this.predictions, this.log.all);
    this.submitArmed = false;
    this.onLabels();
  }

  say(text: string): void {
    this.notice = text;
    this.onView();
  }

  seek(frame: number): void {
    const next = Math.min(this.frames - 1, Math.max(0, frame));
    if (next === this.frame) return;
    const from = this.frame;
    this.frame = next;
    this.notice = "";
    if (this.selectionStart !== null) this.extendSelection();
    if ((this.mode === "paint" || this.mode === "erase") && this.lane < this.lanes) {
      const [start, end] = from < next ? [from, next + 1] : [next, from + 1];
      this.setLane(this.lane, { start, end }, this.mode === "paint" ? 1 : 0);
    }
    this.onFrame();
  }

  /** The first frame of what an edit would change decides which way a toggle goes. */
  toggleLane(lane: number): void {
    if (lane >= this.lanes) return;
    const target = this.target;
    this.lane = lane;
    this.setLane(lane, target, this.document.buttons[lane][target.start] ? 0 : 1);
  }

  setLane(lane: number, { start, end }: Selection, value: 0 | 1): void {
    if (this.readOnly) return;
    const row = this.document.buttons[lane];
    let same = true;
    for (let t = start; t < end && same; t++) same = row[t] === value;
    if (!same) this.log.push("paint", { lane, start, end, value });
  }

  setCamera(axis: number, { start, end }: Selection, values: number[]): void {
    if (!this.readOnly)
      this.log.push("camera", {
        axis,
        start,
        end,
        values: values.map((v) => Math.round(v * 1e4) / 1e4),
      });
  }

  turn(input: "dx" | "dy", direction: number): void {
    const axis = this.data.project.axes.findIndex((a) => a.input === input);
    if (axis < 0) return;
    const { start, end } = this.target;
    const limit = this.data.project.axes[axis].max_deg;
    const values = Array.from(this.document.camera[axis].slice(start, end), (v) =>
      Math.max(-limit, Math.min(limit, v + direction * this.cameraStep)),
    );
    this.setCamera(axis, { start, end }, values);
  }

  stopCamera(): void {
    const { start, end } = this.target;
    for (let axis = 0; axis < this.axes; axis++) this.setCamera(axis, { start, end }, [0]);
  }

  changeStep(direction: number): void {
    const at = CAMERA_STEPS.indexOf(this.cameraStep);
    this.cameraStep = CAMERA_STEPS[Math.min(CAMERA_STEPS.length - 1, Math.max(0, at + direction))];
    this.onView();
  }

  /** Move the change of the lane that is nearest to the playhead by one frame. */
  nudge(direction: 1 | -1): void {
    if (this.lane >= this.lanes || this.readOnly) return;
    const row = this.document.buttons[this.lane];
    const edges = this.edges(this.lane);
    if (!edges.length) {
      this.say("This lane has no change to move.");
      return;
    }
    const edge = edges.reduce((best, e) =>
      Math.abs(e - this.frame) < Math.abs(best - this.frame) ? e : best,
    );
    const value = (direction > 0 ? row[edge - 1] : row[edge]) as 0 | 1;
    const at = direction > 0 ? edge : edge - 1;
    if (at < 0 || at >= this.frames) return;
    this.log.push("paint", { lane: this.lane, start: at, end: at + 1, value });
    this.frame = Math.min(this.frames - 1, Math.max(0, edge + direction));
    this.onFrame();
  }

  /** Frames at which a lane changes (the first frame after the change). */
  edges(lane: number): number[] {
    const row = this.document.buttons[Math.min(lane, this.lanes - 1)];
    const found: number[] = [];
    for (let t = 1; t < this.frames; t++) if (row[t] !== row[t - 1]) found.push(t);
    return found;
  }

  jumpEdge(direction: 1 | -1): void {
    const edges = this.edges(this.lane);
    const next =
      direction > 0
        ? edges.find((e) => e > this.frame)
        : edges.reverse().find((e) => e < this.frame);
    if (next === undefined) this.say("No further change in this lane.");
    else this.seek(next);
  }

  jumpUncertain(direction: 1 | -1): void {
    const open = this.openRuns.length ? this.openRuns : this.runs;
    const next =
      direction > 0
        ? (open.find((run) => run.start > this.frame) ?? open[0])
        : ([...open].reverse().find((run) => run.start < this.frame) ?? open[open.length - 1]);
    if (!next) this.say("The model was sure everywhere. Look it through, then submit.");
    else if (next.start === this.frame) this.say("This is the only uncertain run.");
    else this.seek(next.start);
  }

  accept(): void {
    if (this.readOnly) return;
    const target = this.selection ?? this.runAtFrame;
    if (target) {
      this.log.push("accept", { start: target.start, end: target.end, value: true });
      this.clearSelection();
    }
    const next = this.openRuns.find((run) => run.start > this.frame) ?? this.openRuns[0];
    if (next) this.seek(next.start);
    else this.say("No uncertain run is left. Submit when you are content.");
  }

  mark(kind: "unsure" | "invalid"): void {
    if (this.readOnly) return;
    const target =
      this.selection ?? (kind === "unsure" ? (this.runAtFrame ?? this.target) : this.target);
    const marks = kind === "unsure" ? this.document.unsure : this.document.valid;
    const isSet = kind === "unsure" ? marks[target.start] === 1 : marks[target.start] === 0;
    this.log.push(kind, { start: target.start, end: target.end, value: !isSet });
    if (!isSet && kind === "unsure" && !this.selection) this.jumpUncertain(1);
  }

  edit(kind: "release" | "reset"): void {
    if (!this.readOnly) this.log.push(kind, { ...this.target });
  }

  selectFrom(): void {
    this.selectionStart = this.frame;
    this.extendSelection();
    this.onView();
  }

  selectTo(): void {
    this.selectionStart ??= 0;
    this.extendSelection();
    this.selectionStart = null;
    this.onView();
  }

  select(start: number, end: number): void {
    this.selectionStart = null;
    this.selection = { start, end };
    this.onView();
  }

  clearSelection(): void {
    this.selection = this.selectionStart = null;
    this.mode = "normal";
    this.notice = "";
    this.onView();
  }

  setMode(mode: Mode): void {
    this.mode = this.mode === mode ? "normal" : mode;
    if (this.mode === "paint" || this.mode === "erase") {
      if (this.lane >= this.lanes) this.lane = 0;
      this.setLane(this.lane, this.target, this.mode === "paint" ? 1 : 0);
    }
    this.onView();
  }

  moveLane(step: number): void {
    this.lane = (this.lane + step + this.lanes) % this.lanes;
    this.onView();
  }

  shuttle(direction: 1 | -1): void {
    const speed =
      Math.sign(this.playing) === direction
        ? SPEEDS[Math.min(3, SPEEDS.indexOf(Math.abs(this.playing)) + 1)]
        : 1;
    this.playing = direction * speed;
    this.onView();
  }

  /** The part of the frames that the timeline shows: around the playhead, within the task. */
  get view(): Selection {
    const span = Math.max(16, Math.round(this.frames / this.zoom));
    if (span >= this.frames) return { start: 0, end: this.frames };
    const start = Math.min(this.frames - span, Math.max(0, this.frame - Math.floor(span / 2)));
    return { start, end: start + span };
  }

  private extendSelection(): void {
    const from = this.selectionStart ?? this.frame;
    this.selection = { start: Math.min(from, this.frame), end: Math.max(from, this.frame) + 1 };
  }
}
