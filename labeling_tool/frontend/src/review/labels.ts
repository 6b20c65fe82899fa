// The labels of a task in review as they now are: what was predicted, what was edited, and the
// lane, the mode and the view that edits go by. What the parts of a review stand on.

import { batch, computed, signal } from "@preact/signals";
import {
  type ActionDocument,
  clashesOf,
  type Doubts,
  differingFrames,
  doubtsOf,
  predictedButtons,
  replayActions,
} from "../document";
import { TaskModel } from "../task/model";
import type { OpenTask } from "../task/useTask";
import type { FrameRange, Kind, Operation, Payload } from "../types";
import { View } from "./view";

export type Mode = "normal" | "paint" | "erase" | "camera" | "along";

export abstract class ReviewLabels extends TaskModel {
  readonly lanes: number;
  readonly axes: number;
  readonly predicted: Uint8Array[];
  readonly doubts: Doubts;
  readonly view: View;
  readonly lane = signal(0);
  readonly mode = signal<Mode>("normal");

  private readonly drafted = signal<Operation | null>(null);

  /** The labels without what is still being drawn with the mouse. */
  readonly edited = computed(() => replayActions(this.predictions, this.log.all.value));
  readonly document = computed(() => {
    const draft = this.drafted.value;
    if (!draft) return this.edited.value;
    return replayActions(this.predictions, [...this.log.all.value, draft]);
  });
  /** The labels as the task's annotator left them; null where nobody else has edited. */
  readonly annotated = computed(() => {
    const owner = this.data.assignment.user_id;
    const operations = this.log.all.value;
    const own = operations.filter((op) => (op.user_id ?? this.log.user) === owner);
    return own.length < operations.length ? replayActions(this.predictions, own) : null;
  });
  /** Other people's answers to the task, where this one is reviewed beside them. */
  readonly answers: { who: string; document: ActionDocument }[];
  readonly clashes = computed(() => clashesOf(this.document.value, this.data.project.exclusive));

  constructor(task: OpenTask) {
    super(task);
    this.lanes = this.data.project.buttons.length;
    this.axes = this.data.project.axes.length;
    this.predicted = predictedButtons(this.predictions);
    this.doubts = doubtsOf(this.predictions, this.data.project.threshold);
    this.view = new View(this.frames);
    this.answers = (this.data.others ?? []).map(({ who, operations }) => ({
      who,
      document: replayActions(this.predictions, operations),
    }));
  }

  get predictions() {
    return this.data.predictions!;
  }

  /** Frames in which the answers differ; of a single one, where it is not the model's any more. */
  get changed(): Uint8Array {
    const now = this.document.value;
    if (!this.answers.length) return differingFrames(now, replayActions(this.predictions, []));
    const frames = this.answers.map(({ document }) => differingFrames(now, document));
    return Uint8Array.from(now.valid, (_, t) => (frames.some((row) => row[t]) ? 1 : 0));
  }

  /** The lanes that are held with a lane at a frame although they exclude it. */
  against(lane: number, frame: number): number[] {
    const clash = this.clashes.value.find(
      ({ lanes, start, end }) => lanes.includes(lane) && start <= frame && frame < end,
    );
    return clash ? clash.lanes.filter((other) => other !== lane) : [];
  }

  /** Jump there: nothing is painted on the way, whatever the mode. */
  override visit(frame: number): void {
    batch(() => {
      super.seek(frame);
      this.view.follow(this.frame.value);
    });
  }

  setLane(lane: number, { start, end }: FrameRange, value: 0 | 1): void {
    if (this.readOnly || lane >= this.lanes) return;
    const row = this.document.value.buttons[lane].subarray(start, end);
    // An edit that changes nothing is none: undo would seem to do nothing for it.
    if (row.some((held) => held !== value)) this.log.push("paint", { lane, start, end, value });
  }

  /** Show an edit that is still being drawn with the mouse; null takes it away. */
  draft(edit: { kind: Kind; payload: Payload } | null): void {
    this.drafted.value = edit && { id: "draft", client_ms: 0, ...edit };
  }
}
