// What both kinds of work know about a task on screen: the frame, the selection, the notice.

import { batch, computed, signal } from "@preact/signals";
import type { Pictures } from "../bundle";
import { remarksOf } from "../document";
import { FullPictures } from "../full_pictures";
import { operationText } from "../operation_text";
import type { OperationLog } from "../oplog";
import type { FrameRange, TaskData } from "../types";
import { Selection } from "./selection";
import type { OpenTask } from "./useTask";

export abstract class TaskModel {
  readonly data: TaskData;
  readonly pictures: Pictures;
  readonly full: FullPictures;
  readonly log: OperationLog;
  readonly readOnly: boolean;
  readonly frames: number;
  readonly frame = signal(0);
  readonly notice = signal("");
  readonly selection = new Selection();
  /** Whether somebody else's work (or, alone in a project, one's own) is looked at to decide. */
  readonly isReview: boolean;
  readonly remarks = computed(() => remarksOf(this.log.all.value));
  private armedAt = -1; // the number of edits at which a first press of submit asked

  /** How far the keys for a larger step go, in frames. */
  abstract readonly stride: number;

  constructor(task: OpenTask) {
    this.data = task.opened.data;
    this.pictures = task.opened.pictures;
    this.full = new FullPictures(this.data.task.pictures, this.pictures);
    this.log = task.log;
    this.readOnly = task.readOnly;
    this.frames = this.data.task.frames;
    const { assignment, may_review } = this.data;
    this.isReview = may_review && (assignment.finished || assignment.state === "returned");
  }

  /** What is still undecided, as a sentence; empty where nothing is. */
  abstract get unfinished(): string;

  seek(frame: number): void {
    batch(() => {
      this.frame.value = Math.min(this.frames - 1, Math.max(0, frame));
      this.notice.value = "";
      this.selection.follow(this.frame.value);
    });
  }

  step(frames: number): void {
    this.seek(this.frame.value + frames);
  }

  say(text: string): void {
    this.notice.value = text;
  }

  /** What an edit or a remark is about: the selection, else the frame. */
  get target(): FrameRange {
    const frame = this.frame.value;
    return this.selection.range.value ?? { start: frame, end: frame + 1 };
  }

  /** Pin some words to the target. */
  remark(text: string): void {
    if (text.trim()) this.log.push("remark", { ...this.target, text: text.trim() });
  }

  clear(): void {
    this.selection.set(null);
    this.notice.value = "";
  }

  undo(): void {
    if (this.readOnly) return;
    if (this.log.undo()) this.tell("Undid");
    else this.say("Nothing to undo.");
  }

  redo(): void {
    if (this.readOnly) return;
    if (this.log.redo()) this.tell("Redid");
    else this.say("Nothing to redo.");
  }

  /** Go to where something was done. */
  visit(frame: number): void {
    this.seek(frame);
  }

  /** Go there and stay, to look at it. */
  leadTo(frame: number): void {
    this.visit(frame);
  }

  /** Say what the last undo or redo was about, and show where. */
  private tell(verb: string): void {
    const all = this.log.all.value;
    const target = all.find((op) => op.id === all[all.length - 1].payload.op);
    if (!target) return;
    if (target.payload.start !== undefined) this.leadTo(target.payload.start);
    this.say(`${verb}: ${operationText(target, this.data.project, all)}.`);
  }

  /** Whether submit may go ahead: with something undecided, only at its second press. */
  confirmSubmit(): boolean {
    const edits = this.log.all.value.length;
    if (!this.unfinished || this.readOnly || this.armedAt === edits) return true;
    this.armedAt = edits; // another edit in between, and it asks again
    this.say(`${this.unfinished} Press again to submit all the same.`);
    return false;
  }
}
