// Reviewing with keys: approve or return what is on screen, and go on with the next submission.

import { signal } from "@preact/signals";
import { post } from "../api";
import type { Commands } from "../keys";
import { type Next, prepareReview } from "../loading";
import { rangeText } from "../review/ranges";
import { go, say, sayError } from "../session";
import type { TaskModel } from "./model";

export class Verdicts {
  /** Which dialog is open, if any. */
  readonly dialog = signal<"return" | "remark" | null>(null);

  readonly commands: Commands = {
    approve: () => {
      // A second press of the key that approved the last one is no decision about this one.
      if (this.isSeen()) void this.decide("approve");
    },
    sendBack: () => {
      this.dialog.value = "return";
    },
    remark: () => {
      this.dialog.value = "remark";
    },
    later: () => this.proceed(),
  };

  private next: Next | null = null;
  private isDeciding = false;

  constructor(
    private readonly model: TaskModel,
    private readonly isSeen: () => boolean,
  ) {}

  get isOffered(): boolean {
    return this.model.isReview;
  }

  /** Get the next submission's pictures while this one is looked at. */
  prepare(): void {
    const { project, assignment } = this.model.data;
    if (!this.isOffered) return;
    prepareReview(project.id, assignment.id)
      .then((next) => {
        this.next = next;
      })
      .catch(() => {}); // then the project's page follows
  }

  /** What a return says where its reviewer writes nothing more: the remarks. */
  get reason(): string {
    const remarks = this.model.remarks.value;
    return remarks.map((remark) => `frame ${rangeText(remark)}: ${remark.text}`).join("\n");
  }

  remark(text: string): void {
    this.model.remark(text);
    this.dialog.value = null;
  }

  async decide(verdict: "approve" | "return", reason = ""): Promise<void> {
    const { log, data } = this.model;
    if (this.isDeciding) return; // a second press is no second verdict
    this.isDeciding = true;
    try {
      await log.flush();
      // What is on the screen is decided about: the server refuses where there is more by now.
      const seq = log.lastSeq;
      const body = { verdict, reason, seq };
      await post(`/api/assignments/${data.assignment.id}/review`, body);
      say(verdict === "approve" ? "Approved" : "Returned");
      this.proceed();
    } catch (error) {
      sayError(error);
    } finally {
      this.isDeciding = false;
    }
  }

  /** Make approved work its task's known answer, by which people are judged. */
  async makeGold(): Promise<void> {
    try {
      await post(`/api/assignments/${this.model.data.assignment.id}/gold`, { gold: true });
      say("Gold: everybody may get this task now, and is judged by this answer.");
    } catch (error) {
      sayError(error);
    }
  }

  private proceed(): void {
    if (this.next) go(`/work/${this.next.assignment}`, true);
    else {
      say("No other submission waits for you.");
      go(`/projects/${this.model.data.project.id}`);
    }
  }
}
