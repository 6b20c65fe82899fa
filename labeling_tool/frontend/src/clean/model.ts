// The state of a clean-or-not screen and what can be done to it.

import type { Pictures } from "../bundle";
import { type CleanDocument, replayClean } from "../document";
import type { OperationLog } from "../oplog";
import type { CleanLabel, TaskData } from "../types";

export const PAGE = 16;

export const LABELS: { id: CleanLabel; command: string; name: string; short: string }[] = [
  { id: "clean", command: "clean", name: "Clean play", short: "clean" },
  { id: "artifacts", command: "artifacts", name: "Play with artifacts", short: "artifacts" },
  { id: "none", command: "none", name: "None of the above", short: "none" },
  { id: "unsure", command: "unsureLabel", name: "Cannot tell", short: "unsure" },
];

export const REASONS = [
  { id: "webcam", command: "webcam", name: "Webcam" },
  { id: "watermark", command: "watermark", name: "Watermark" },
  { id: "overlay", command: "overlay", name: "Text, overlay" },
  { id: "other", command: "otherReason", name: "Other" },
];

export class CleanModel {
  readonly frames: number;
  document: CleanDocument;
  frame = 0;
  grid: boolean;
  selection: { start: number; end: number } | null = null;
  notice = "";
  submitArmed = false;
  onChange: () => void = () => {};
  private selectionStart: number | null = null;

  constructor(
    readonly data: TaskData,
    readonly pictures: Pictures,
    readonly log: OperationLog,
    readonly readOnly: boolean,
  ) {
    this.frames = data.task.frames;
    this.document = replayClean(this.frames, log.all);
    this.grid = localStorage.getItem("vidact.grid") !== "no";
    this.frame = Math.max(0, this.document.labels.indexOf(null));
  }

  get open(): number {
    return this.document.labels.filter((label) => label === null).length;
  }

  get pageStart(): number {
    return Math.floor(this.frame / PAGE) * PAGE;
  }

  relabel(): void {
    this.document = replayClean(this.frames, this.log.all);
    this.submitArmed = false;
    this.onChange();
  }

  say(text: string): void {
    this.notice = text;
    this.onChange();
  }

  seek(frame: number): void {
    this.frame = Math.min(this.frames - 1, Math.max(0, frame));
    this.notice = "";
    if (this.selectionStart !== null) this.extend();
    this.onChange();
  }

  nextOpen(): void {
    const { labels } = this.document;
    const after = labels.findIndex((label, t) => label === null && t > this.frame);
    const next = after >= 0 ? after : labels.indexOf(null);
    if (next < 0) this.say("Every frame has a label. Submit when you are content.");
    else this.seek(next);
  }

  toggleGrid(): void {
    this.grid = !this.grid;
    localStorage.setItem("vidact.grid", this.grid ? "yes" : "no");
    this.onChange();
  }

  /** Label the selection, or the frame and go on to the next. */
  label(label: CleanLabel | null, reasons: string[] = []): void {
    if (this.readOnly) return;
    const selected = this.selection;
    const { start, end } = selected ?? { start: this.frame, end: this.frame + 1 };
    this.log.push("label", { start, end, label, reasons });
    if (selected) {
      this.clearSelection();
      this.seek(end);
    } else this.seek(this.frame + 1);
  }

  /** Give a reason. On a frame that has artifacts already it is added or taken away, and the frame stays. */
  reason(reason: string): void {
    if (this.readOnly) return;
    if (!this.selection && this.document.labels[this.frame] === "artifacts") {
      const there = this.document.reasons[this.frame];
      const reasons = there.includes(reason)
        ? there.filter((r) => r !== reason)
        : [...there, reason];
      this.log.push("label", {
        start: this.frame,
        end: this.frame + 1,
        label: "artifacts",
        reasons,
      });
    } else this.label("artifacts", [reason]);
  }

  /** What has no label on this page is clean; go to the next page. */
  acceptPage(): void {
    if (this.readOnly) return;
    const end = Math.min(this.frames, this.pageStart + PAGE);
    let from = -1;
    for (let t = this.pageStart; t <= end; t++) {
      const open = t < end && this.document.labels[t] === null;
      if (open && from < 0) from = t;
      if (!open && from >= 0) {
        this.log.push("label", { start: from, end: t, label: "clean", reasons: [] });
        from = -1;
      }
    }
    if (end < this.frames) this.seek(end);
    else this.nextOpen();
  }

  selectFrom(): void {
    this.selectionStart = this.frame;
    this.extend();
    this.onChange();
  }

  selectTo(): void {
    this.selectionStart ??= 0;
    this.extend();
    this.selectionStart = null;
    this.onChange();
  }

  select(start: number, end: number): void {
    this.selectionStart = null;
    this.selection = { start, end };
    this.onChange();
  }

  clearSelection(): void {
    this.selection = this.selectionStart = null;
    this.notice = "";
    this.onChange();
  }

  private extend(): void {
    const from = this.selectionStart ?? this.frame;
    this.selection = { start: Math.min(from, this.frame), end: Math.max(from, this.frame) + 1 };
  }
}
