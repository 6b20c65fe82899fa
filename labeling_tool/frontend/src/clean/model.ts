// The state of a clean-or-not screen and what can be done to it.

import { batch, computed, signal } from "@preact/signals";
import { keep, kept } from "../device";
import { replayClean } from "../document";
import { TaskModel } from "../task/model";
import type { OpenTask } from "../task/useTask";
import type { CleanLabel, FrameRange } from "../types";

export const PAGE = 16;
export const ROW = 4; // frames in a row of the grid

const GRID_KEY = "vidact.grid"; // in this browser: whoever likes one large frame keeps it

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

export class CleanModel extends TaskModel {
  readonly stride = PAGE;
  readonly grid = signal(kept(GRID_KEY) !== "no");
  readonly document = computed(() => replayClean(this.frames, this.log.all.value));
  /** How many frames have no label yet. */
  readonly open = computed(
    () => this.document.value.labels.filter((label) => label === null).length,
  );

  constructor(task: OpenTask) {
    super(task);
    this.frame.value = Math.max(0, this.document.value.labels.indexOf(null));
  }

  get unfinished(): string {
    const open = this.open.value;
    const { labels, reasons } = this.document.value;
    const vague = labels.filter((label, t) => label === "artifacts" && !reasons[t].length).length;
    const have = (count: number): string => `${count} ${count === 1 ? "frame has" : "frames have"}`;
    const sentences = [
      open ? `${have(open)} no label yet.` : "",
      vague ? `${have(vague)} artifacts, and nothing says which.` : "",
    ];
    return sentences.filter(Boolean).join(" ");
  }

  /** The frames of the grid's page that the frame is on. */
  get page(): FrameRange {
    const start = Math.floor(this.frame.value / PAGE) * PAGE;
    return { start, end: Math.min(this.frames, start + PAGE) };
  }

  nextOpen(): void {
    const { labels } = this.document.value;
    const after = labels.indexOf(null, this.frame.value + 1);
    const next = after >= 0 ? after : labels.indexOf(null);
    if (next < 0) this.say("Every frame has a label. Submit when you are content.");
    else this.seek(next);
  }

  toggleGrid(): void {
    this.grid.value = !this.grid.value;
    keep(GRID_KEY, this.grid.value ? "yes" : "no");
  }

  /** Label the selection, or the frame, and step to the next frame without either. */
  label(label: CleanLabel | null, reasons: string[] = []): void {
    if (this.readOnly) return;
    const { start, end } = this.target;
    batch(() => {
      this.log.push("label", { start, end, label, reasons });
      if (this.selection.range.value) this.clear();
      this.seek(end);
    });
  }

  /**
   * Give a reason. On a frame that has artifacts already it is added or taken away, and the frame
   * stays.
   */
  reason(reason: string): void {
    if (this.readOnly) return;
    const start = this.frame.value;
    const { labels, reasons } = this.document.value;
    if (this.selection.range.value || labels[start] !== "artifacts") {
      this.label("artifacts", [reason]);
      return;
    }
    const there = reasons[start];
    const next = there.includes(reason)
      ? there.filter((other) => other !== reason)
      : [...there, reason];
    this.log.push("label", { start, end: start + 1, label: "artifacts", reasons: next });
  }

  /** What has no label on this page is clean; go to the next page. */
  acceptPage(): void {
    if (this.readOnly) return;
    const { start, end } = this.page;
    const { labels } = this.document.value;
    batch(() => {
      let from = -1;
      for (let t = start; t <= end; t++) {
        const open = t < end && labels[t] === null;
        if (open && from < 0) from = t;
        if (!open && from >= 0) {
          this.log.push("label", { start: from, end: t, label: "clean", reasons: [] });
          from = -1;
        }
      }
      if (end < this.frames) this.seek(end);
      else this.nextOpen();
    });
  }
}
