// Watch, loop, decide: the uncertain runs, which of them is in hand, how it is played, and what is
// decided about it.

import { batch, computed, signal } from "@preact/signals";
import { isHandled, mostDoubtful, uncertainRuns } from "../document";
import type { FrameRange } from "../types";
import type { ReviewLabels } from "./labels";
import { contains, limit, sameRange } from "./ranges";

const SHUTTLE = [1, 2, 4, 8]; // times the real speed
export const LOOP_SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4, 8];
const AROUND = 4; // frames: to see how a run begins and ends one looks a little past it

/** How fast loops are played: half the real speed shows a press, and is not yet tedious. */
export const loopSpeed = signal(0.5);

export class Watch {
  /** What is looked at one by one: where the model was unsure; in a review, what changed. */
  readonly runs: FrameRange[];
  readonly areChanges: boolean;
  readonly playing = signal(0); // -8 … 8 times the real speed; 0 stands still
  /** The run in hand: what Enter accepts. It is drawn, and playing never changes it. */
  readonly run = signal<FrameRange | null>(null);
  /** What is played again and again; null where playing goes on to the end. */
  readonly loop = signal<FrameRange | null>(null);
  readonly open = computed(() =>
    this.runs.filter((run) => !isHandled(run, this.model.document.value)),
  );
  readonly runAtFrame = computed(() => this.runAt(this.model.frame.value));
  /** Whether each run that comes in hand is played at once. */
  private watches = false;

  constructor(private readonly model: ReviewLabels) {
    const changes = model.isReview ? uncertainRuns(model.changed) : [];
    this.runs = changes.length ? changes : uncertainRuns(model.doubts.any);
    this.areChanges = changes.length > 0;
  }

  /** Take the first open run in hand, where the task begins. */
  begin(): void {
    const first = this.model.isReview ? this.runs[0] : this.open.value[0];
    if (first) this.take(first);
  }

  /** From now on play each run as it comes in hand. */
  start(): void {
    this.watches = true;
    const run = this.run.value;
    if (run && !this.playing.value) this.play(this.around(run));
  }

  /** Play some frames again and again. */
  play(range: FrameRange): void {
    batch(() => {
      this.loop.value = range;
      this.playing.value = loopSpeed.value;
      if (!contains(range, this.model.frame.value)) this.model.visit(range.start);
    });
  }

  private runAt(frame: number): FrameRange | null {
    return this.runs.find((run) => contains(run, frame)) ?? null;
  }

  /** A run with what one looks at around it; nothing where there is none. */
  private around(run: FrameRange | null): FrameRange {
    if (!run) return { start: 0, end: 0 };
    return {
      start: Math.max(0, run.start - AROUND),
      end: Math.min(this.model.frames, run.end + AROUND),
    };
  }

  /** The playhead went somewhere by a key: a few frames past the run in hand it stays in hand. */
  followKey(frame: number): void {
    if (!contains(this.around(this.run.value), frame)) this.run.value = this.runAtFrame.value;
  }

  /** The playhead was put somewhere: what is there is in hand. */
  followPointer(): void {
    this.run.value = this.runAtFrame.value;
  }

  /** Take a run in hand, go to its start and its lane; where runs are watched, play it. */
  private take(run: FrameRange): void {
    batch(() => {
      this.model.visit(run.start);
      this.run.value = run;
      const lane = mostDoubtful(this.model.doubts, run);
      if (lane >= 0) this.model.lane.value = lane;
      if (this.watches || this.loop.value) this.play(this.around(run));
    });
  }

  /** The next open run or the last one; where none is left, any, to look at them again. */
  jump(direction: 1 | -1): void {
    const { model } = this;
    const open = this.open.value.length && !model.isReview ? this.open.value : this.runs;
    const run = this.run.value;
    const frame = model.frame.value;
    const from = run?.start ?? frame;
    const isBeyond = run !== null && !this.loop.value && frame >= run.end;
    const next =
      direction > 0
        ? (open.find((other) => other.start > from) ?? open[0])
        : isBeyond // from beyond the run in hand, to its own start
          ? run
          : (open.filter((other) => other.start < from).at(-1) ?? open.at(-1));
    if (!next) model.say("The model was sure everywhere. Look it through, then submit.");
    else if (sameRange(next, run) && next.start === frame && !this.loop.value)
      model.say("This is the only uncertain run.");
    else this.take(next);
  }

  /** What a decision is about: the selection, else the run in hand. */
  get decided(): FrameRange | null {
    return this.model.selection.range.value ?? this.run.value;
  }

  /** Whether what would be decided is drawn; else go there, to be asked again. */
  private isSeen(range: FrameRange): boolean {
    if (this.model.view.shows(range)) return true;
    this.model.visit(range.start);
    this.model.say("Out of view; here it is. Press again to decide about it.");
    return false;
  }

  accept(): void {
    const { model } = this;
    const target = this.decided;
    if (model.readOnly || (target && !this.isSeen(target))) return;
    const isAlong = model.mode.value === "along"; // from run to run it goes on
    batch(() => {
      if (target) {
        model.log.push("accept", { start: target.start, end: target.end, value: true });
        model.clear();
        if (isAlong) model.mode.value = "along";
      }
      const open = this.open.value;
      const from = target?.end ?? model.frame.value + 1;
      const next = open.find((run) => run.end > from) ?? open[0];
      if (next) this.take(next);
      else this.finish();
    });
  }

  private finish(): void {
    this.stop();
    this.run.value = null;
    this.model.say("No uncertain run is left. Submit when you are content.");
  }

  /** Say that one cannot tell, or that there is no label. */
  mark(kind: "unsure" | "invalid"): void {
    const { model } = this;
    if (model.readOnly) return;
    const selected = model.selection.range.value;
    // Doubt is about a run; that there is no label (a menu, say) is seen frame by frame.
    const run = kind === "unsure" ? this.run.value : null;
    const { start, end } = selected ?? run ?? model.target;
    if (!this.isSeen({ start, end })) return;
    const { unsure, valid } = model.document.value;
    const isSet = kind === "unsure" ? unsure[start] === 1 : valid[start] === 0;
    batch(() => {
      model.log.push(kind, { start, end, value: !isSet });
      if (!isSet && kind === "unsure" && !selected) this.jump(1);
    });
  }

  select(): void {
    const run = this.run.value;
    if (run) this.model.selection.set({ ...run });
    else this.model.say("No uncertain run here.");
  }

  /** Loop the selection, or the run in hand where the playhead is at it; else play to the end. */
  toggle(): void {
    if (this.playing.value) {
      this.stop();
      return;
    }
    const frame = this.model.frame.value;
    const selected = this.model.selection.range.value;
    const range = selected ?? this.around(this.run.value);
    if (selected || contains(range, frame)) this.play(range);
    else {
      if (frame === this.model.frames - 1) this.model.visit(0); // from its end, once more
      this.playing.value = 1;
    }
  }

  /** Loop the selection or the run in hand, else all of the task. */
  loopHere(): void {
    const selected = this.model.selection.range.value;
    const run = this.run.value;
    const all = { start: 0, end: this.model.frames };
    this.play(selected ?? (run ? this.around(run) : all));
  }

  /** Play at a speed from now on, and a loop that runs at once. */
  setSpeed(speed: number): void {
    loopSpeed.value = speed;
    if (this.playing.value) this.playing.value = speed * Math.sign(this.playing.value);
  }

  stop(): void {
    batch(() => {
      this.loop.value = null;
      this.playing.value = 0;
    });
  }

  /** In a loop slower or faster; else backwards or forwards, and again for faster. */
  shuttle(direction: 1 | -1): void {
    if (this.loop.value) {
      const at = LOOP_SPEEDS.indexOf(loopSpeed.value) + direction;
      loopSpeed.value = LOOP_SPEEDS[limit(at, 0, LOOP_SPEEDS.length - 1)];
      this.playing.value = loopSpeed.value;
      return;
    }
    const speed = Math.abs(this.playing.value);
    const faster = SHUTTLE[Math.min(SHUTTLE.length - 1, SHUTTLE.indexOf(speed) + 1)];
    this.playing.value = direction * (Math.sign(this.playing.value) === direction ? faster : 1);
  }
}
