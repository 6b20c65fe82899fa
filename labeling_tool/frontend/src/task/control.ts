// What can be done with an open task as a whole, whichever kind of work it is.

import { computed, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { ApiError, post } from "../api";
import { keyName, keyOf } from "../keys";
import { claimFirst, type Next, prepareNext } from "../loading";
import { go, say, sayError } from "../session";
import { countSubmission, countToday } from "./day";
import { hasRead, noteRead } from "./instructions";
import { submitLater } from "./later";
import type { TaskModel } from "./model";
import type { OpenTask } from "./useTask";
import { Verdicts } from "./verdicts";

const BEAT_MS = 30_000;
const BEATS_PER_LEASE = 3; // two may get lost before the lease ends
const UNSEEN_MS = 500; // a second press of the key that opened this task is no decision about it
const ARMED_MS = 5000; // how long the second press counts as a yes

let submittedLast: number | null = null; // in this window: where Backspace leads

export class TaskControl {
  /** The text in the comment's dialog; null while it is closed. */
  readonly note = signal<string | null>(null);
  readonly help = signal(false);
  /** Whether the list of all commands is open, to search in. */
  readonly palette = signal(false);
  /** Whether the project's instructions lie open beside the work. */
  readonly drawer = signal(false);
  readonly verdicts: Verdicts;
  readonly leaseLost = computed(() => this.beatLost.value || this.log.leaseLost.value);
  readonly dialogOpen = computed(
    () =>
      this.note.value !== null ||
      this.help.value ||
      this.palette.value ||
      this.verdicts.dialog.value !== null ||
      this.log.state.value === "conflict" ||
      this.log.state.value === "login",
  );

  private readonly beatLost = signal(false);
  private readonly openedAt = performance.now();
  private releaseArmedAt = -Infinity;
  private isSubmitting = false;
  private next: Next | null = null;

  constructor(
    private readonly task: OpenTask,
    readonly model: TaskModel,
  ) {
    this.verdicts = new Verdicts(model, () => this.isSeen);
    this.drawer.value = this.isWork && !hasRead(this.data.project);
  }

  /** Whether the task has been on screen long enough to be decided about. */
  get isSeen(): boolean {
    return performance.now() - this.openedAt >= UNSEEN_MS;
  }

  get data() {
    return this.task.opened.data;
  }

  get pictures() {
    return this.task.opened.pictures;
  }

  get log() {
    return this.task.log;
  }

  get readOnly(): boolean {
    return this.task.readOnly;
  }

  /** Whether the task can be worked on by whoever looks at it. */
  get isWork(): boolean {
    return !this.readOnly && this.data.mine;
  }

  private get id(): number {
    return this.data.assignment.id;
  }

  toggleDrawer(): void {
    if (this.drawer.value) noteRead(this.data.project);
    this.drawer.value = !this.drawer.value;
  }

  /** Keep the lease and prepare the next task; returns how to stop. */
  start(): () => void {
    const beforeUnload = (event: BeforeUnloadEvent): void => {
      // Nothing would be lost, but it would wait for this device.
      if (this.log.pending.value.length) event.preventDefault();
    };
    window.addEventListener("beforeunload", beforeUnload);
    let timer = 0;
    this.verdicts.prepare();
    if (this.isWork) {
      if (!this.data.project.practice) countToday();
      const leaseMs = this.data.project.lease_s * 1000;
      timer = window.setInterval(
        () => void this.beat(),
        Math.min(BEAT_MS, leaseMs / BEATS_PER_LEASE),
      );
      prepareNext(this.data.project.id, this.id)
        .then((next) => {
          this.next = next;
        })
        .catch(() => {}); // the next one is then opened when it is wanted
    }
    return () => {
      window.clearInterval(timer);
      window.removeEventListener("beforeunload", beforeUnload);
    };
  }

  private async beat(): Promise<void> {
    const assignments = [this.id, ...(this.next ? [this.next.assignment] : [])];
    try {
      const states = await post<Record<string, string>>("/api/heartbeat", { assignments });
      this.beatLost.value = states[this.id] === "lost";
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.beatLost.value = true;
    }
  }

  async submit(): Promise<void> {
    // A second press while the first is under way is no second submission.
    if (this.isSubmitting || !this.model.confirmSubmit() || !this.data.mine) return;
    this.isSubmitting = true;
    try {
      if (this.readOnly) await this.openFollowing();
      else if (this.isSeen) await this.send();
    } catch (error) {
      sayError(error);
    } finally {
      this.isSubmitting = false;
    }
  }

  private async openFollowing(): Promise<void> {
    const following = await claimFirst(this.data.project.id);
    go(following === null || following === this.id ? "/" : `/work/${following}`);
  }

  private async send(): Promise<void> {
    if (!(await this.log.flush())) {
      if (this.log.state.value === "offline" && this.sendLater()) return;
      const why = this.log.message.value;
      say(why || "Edits are still on their way; they are kept on this device.", "bad");
      return;
    }
    try {
      await post(`/api/assignments/${this.id}/submit`, { seq: this.log.lastSeq });
    } catch (error) {
      if (error instanceof ApiError && error.offline && this.sendLater()) return;
      throw error;
    }
    if (this.data.project.practice) {
      go(`/tour/${this.id}`);
      return;
    }
    this.goOn(`Submitted. ${keyName(keyOf("before"))} goes back to it.`);
  }

  /** Without a server: keep the submission here and go on, where another task is ready. */
  private sendLater(): boolean {
    if (!this.next || this.data.project.practice) return false;
    const seq = this.log.lastSeq + this.log.pending.value.length;
    if (!submitLater(this.id, seq)) return false;
    this.goOn("Not connected: this submission is kept on this device, and goes out by itself.");
    return true;
  }

  /** The task is submitted, as far as whoever worked on it is concerned. */
  private goOn(said: string): void {
    submittedLast = this.id;
    countSubmission();
    say(said);
    this.proceed();
  }

  private proceed(): void {
    if (this.next) go(`/work/${this.next.assignment}`, true);
    else go("/");
  }

  pause(): Promise<void> {
    return this.act("pause", () => go("/"));
  }

  reopen(): Promise<void> {
    return this.act("reopen", () => location.reload());
  }

  /** Give the task back to the queue, at the second press. */
  async release(): Promise<void> {
    if (performance.now() - this.releaseArmedAt <= ARMED_MS) {
      await this.act("release", () => this.proceed());
      return;
    }
    this.releaseArmedAt = performance.now();
    say("Press again to give this task back to the queue; what you did stays in its history.");
  }

  private async act(verb: string, then: () => void): Promise<void> {
    try {
      await this.log.flush();
      await post(`/api/assignments/${this.id}/${verb}`);
      then();
    } catch (error) {
      sayError(error);
    }
  }

  /** Back to the task that was submitted before this one; there, back to work on it. */
  before(): void {
    if (this.data.mine && this.data.assignment.state === "submitted") void this.reopen();
    else if (submittedLast === null || submittedLast === this.id)
      say(
        "Nothing was submitted in this window before. Your last tasks are listed under Projects.",
      );
    else go(`/work/${submittedLast}`);
  }

  askNote(): void {
    const last = this.log.all.value.filter((op) => op.kind === "note").at(-1);
    this.note.value = last?.payload.text ?? "";
  }

  /** Close the comment's dialog; null keeps the comment as it was. */
  closeNote(text: string | null): void {
    if (text !== null && text !== this.note.value) this.log.push("note", { text });
    this.note.value = null;
  }
}

export function useControl(task: OpenTask, model: TaskModel): TaskControl {
  const control = useMemo(() => new TaskControl(task, model), [task, model]);
  useEffect(() => control.start(), [control]);
  return control;
}
