// Which lanes are shown: those that a task has no use for are folded away, and come back for good
// when somebody holds one or goes to it. A lane in use never folds, and the line about them stays
// when the last of them is in use: nothing moves under the pointer.

import { computed, effect, signal } from "@preact/signals";
import type { ReviewLabels } from "./labels";
import { look } from "./look";

const FEW = 6; // lanes that fit on every screen: there folding would only hide

const isSet = (cell: number): boolean => cell === 1;

export class Fold {
  private readonly all: number[];
  private readonly used = signal<ReadonlySet<number>>(new Set());

  /** The lanes that are shown, from top to bottom. */
  readonly shown = computed(() =>
    look.folds.value ? this.all.filter((lane) => this.used.value.has(lane)) : this.all,
  );
  /** The lanes that the task has no use for. */
  readonly unused = computed(() => this.all.filter((lane) => !this.used.value.has(lane)));
  /** Whether there were any when the task was opened. */
  readonly isOffered: boolean;

  constructor(model: ReviewLabels) {
    this.all = Array.from({ length: model.lanes }, (_, lane) => lane);
    const isNeeded = (lane: number): boolean =>
      this.all.length <= FEW ||
      model.predicted[lane].some(isSet) ||
      model.doubts.lanes[lane].some(isSet) ||
      model.answers.some(({ document }) => document.buttons[lane].some(isSet));
    this.used.value = new Set(this.all.filter(isNeeded));
    this.isOffered = this.unused.value.length > 0;
    effect(() => {
      const before = this.used.peek();
      const rows = model.document.value.buttons;
      const at = model.lane.value;
      const more = this.all.filter(
        (lane) => !before.has(lane) && (lane === at || rows[lane].some(isSet)),
      );
      if (more.length) this.used.value = new Set([...before, ...more]);
    });
  }
}
