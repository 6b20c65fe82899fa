// Presses as objects: one is taken in hand, its edges stretched, it is moved, deleted, split or
// copied. Each deed is one operation, so that one undo takes it back.

import { batch, computed, signal } from "@preact/signals";
import type { FrameRange } from "../types";
import type { ReviewLabels } from "./labels";
import { contains, edgesOf, limit, nearestPress, pressesOf, rangeText, sameRange } from "./ranges";

export type Edge = "start" | "end";

interface Taken {
  lane: number;
  range: FrameRange;
  edge: Edge;
}

export class Presses {
  private readonly chosen = signal<Taken | null>(null);

  /** The press in hand, as it now is: undo may have changed it, or taken it away. */
  readonly taken = computed<Taken | null>(() => {
    const chosen = this.chosen.value;
    if (!chosen) return null;
    const { start, end } = chosen.range;
    const range = pressesOf(this.model.document.value.buttons[chosen.lane]).find(
      (press) => press.start < end && start < press.end,
    );
    return range ? { ...chosen, range } : null;
  });

  constructor(private readonly model: ReviewLabels) {}

  /** The press in hand, as people name it. */
  get text(): string {
    const taken = this.taken.value;
    return taken
      ? `${this.model.data.project.buttons[taken.lane]} ${rangeText(taken.range)}`
      : "no press";
  }

  /** Take a lane's press that is nearest to a frame; taken already, its other edge. */
  take(lane: number, near: number): boolean {
    const { model } = this;
    if (lane >= model.lanes) return false;
    const range = nearestPress(model.document.value.buttons[lane], near);
    const taken = this.taken.value;
    batch(() => {
      model.lane.value = lane;
      if (taken && taken.lane === lane && sameRange(taken.range, range)) this.swapEdge();
      else if (range) {
        const isEnd = Math.abs(range.end - near) < Math.abs(range.start - near);
        this.choose({ lane, range, edge: isEnd ? "end" : "start" });
      }
    });
    if (!range) model.say(`${model.data.project.buttons[lane]} is held nowhere.`);
    return range !== null;
  }

  choose(taken: Taken): void {
    this.chosen.value = taken;
    this.model.notice.value = "";
  }

  letGo(): void {
    this.chosen.value = null;
  }

  swapEdge(): void {
    const taken = this.taken.value;
    if (taken) this.chosen.value = { ...taken, edge: taken.edge === "start" ? "end" : "start" };
  }

  /** Move the edge in hand by some frames; a press stays one frame long at least. */
  moveEdge(frames: number): void {
    const taken = this.taken.value;
    if (taken) this.putEdge(taken.range[taken.edge] + frames);
  }

  /** Move the edge in hand to where the model, or another lane, has an edge. */
  snapEdge(direction: 1 | -1): void {
    const taken = this.taken.value;
    if (!taken) return;
    const at = taken.range[taken.edge];
    const snaps = this.snaps(taken.lane);
    const next =
      direction > 0 ? snaps.find((snap) => snap > at) : snaps.filter((snap) => snap < at).at(-1);
    if (next === undefined) this.model.say("No edge of the model or of another lane that way.");
    else this.putEdge(next);
  }

  private putEdge(at: number): void {
    const taken = this.taken.value;
    if (taken) this.stretch(taken.lane, taken.range, this.stretched(taken.range, taken.edge, at));
  }

  /** A press with one edge elsewhere. */
  stretched({ start, end }: FrameRange, edge: Edge, at: number): FrameRange {
    return edge === "start"
      ? { start: limit(at, 0, end - 1), end }
      : { start, end: limit(at, start + 1, this.model.frames) };
  }

  /** A press as long as it is, so many frames later. */
  moved({ start, end }: FrameRange, frames: number): FrameRange {
    const by = limit(frames, -start, this.model.frames - end);
    return { start: start + by, end: end + by };
  }

  move(frames: number): void {
    const taken = this.taken.value;
    if (taken) this.stretch(taken.lane, taken.range, this.moved(taken.range, frames));
  }

  /** Release a press and hold it elsewhere: one operation, whichever of its edges changes. */
  stretch(lane: number, { start, end }: FrameRange, to: FrameRange): void {
    if (this.model.readOnly || sameRange({ start, end }, to)) return;
    batch(() => {
      const edge = this.taken.value?.edge ?? "start";
      this.model.log.push("press", { lane, start, end, to_start: to.start, to_end: to.end });
      this.chosen.value = { lane, range: to, edge };
    });
  }

  remove(): void {
    const taken = this.taken.value;
    if (this.model.readOnly) return;
    if (!taken) {
      this.model.say("Take a press first: click it, or its lane's cursor and then W.");
      return;
    }
    batch(() => {
      this.model.setLane(taken.lane, taken.range, 0);
      this.letGo();
    });
  }

  /** Release one frame of the press, so that it becomes two; what follows is in hand then. */
  split(frame: number): void {
    const taken = this.taken.value;
    if (!taken || this.model.readOnly) return;
    const { start, end } = taken.range;
    if (frame <= start || frame >= end - 1) {
      this.model.say("Go to where it is to be split, inside the press.");
      return;
    }
    batch(() => {
      this.model.setLane(taken.lane, { start: frame, end: frame + 1 }, 0);
      this.chosen.value = { ...taken, range: { start: frame + 1, end }, edge: "start" };
    });
  }

  /** Hold as long a press elsewhere in its lane, and take that one. */
  copyTo(start: number): void {
    const taken = this.taken.value;
    if (!taken || this.model.readOnly) return;
    const long = taken.range.end - taken.range.start;
    const range = { start, end: Math.min(this.model.frames, start + long) };
    if (contains(taken.range, start)) {
      this.model.say("Go to where the copy is to begin, outside the press.");
      return;
    }
    batch(() => {
      this.model.setLane(taken.lane, range, 1);
      this.chosen.value = { ...taken, range, edge: "start" };
    });
  }

  /** Where the edges of a lane's presses snap to: the model's own edges, and other lanes'. */
  snaps(lane: number): number[] {
    const { document, predicted } = this.model;
    const others = document.value.buttons.filter((_, other) => other !== lane);
    return [...new Set([predicted[lane], ...others].flatMap(edgesOf))].sort((a, b) => a - b);
  }
}
