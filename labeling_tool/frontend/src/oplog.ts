// The operations of a task: what the server has, and what waits on this device until it has.
//
// Every operation goes to localStorage before anything else happens, so that neither a crashed tab
// nor a dead server loses it. The server knows ids it has seen, so sending twice is harmless.

import { batch, computed, signal } from "@preact/signals";
import { ApiError, post } from "./api";
import { forget, keep, keptJson, keptKeys, ownKey } from "./device";
import { undoStacks } from "./document";
import type { Kind, Operation, Payload } from "./types";

export type SaveState =
  | "saved"
  | "saving"
  | "offline"
  | "conflict"
  | "login"
  | "closed"
  | "refused";

interface Stored {
  client: string;
  base_seq: number;
  operations: Operation[];
}

const OUTBOX = "outbox";
const SOON_MS = 200; // a burst of keys is one request
const MAX_IN_BATCH = 200; // in one request; the server takes 500
const RETRY_MS = [1000, 2000, 4000, 8000, 15000];
const IDLE_MS = 30_000; // a longer pause between two inputs is no work
const MAX_ACTIVE_MS = 600_000; // the server takes no more in one request; the rest follows

export function randomId(): string {
  const raw = crypto.getRandomValues(new Uint8Array(15)); // randomUUID is missing on plain HTTP
  return btoa(String.fromCharCode(...raw))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

const readStored = (key: string): Stored | null => keptJson<Stored>(key);

/** What waits on this device: for a task, or for all. */
function storedKeys(user: number, assignment?: number): string[] {
  const parts = assignment === undefined ? [] : [assignment];
  // Front ends of before did not tell databases apart; what they left is not lost.
  const before = ["vidact", OUTBOX, user, ...parts].join(".");
  return [...keptKeys(`${ownKey(OUTBOX, ...parts)}.`), ...keptKeys(`${before}.`)];
}

/** Operations as the server takes them, without what it adds itself. */
const asSent = (operations: Operation[]): Operation[] =>
  operations.map(({ id, kind, payload, client_ms }) => ({ id, kind, payload, client_ms }));

export class OperationLog {
  readonly client = randomId();
  readonly saved = signal<Operation[]>([]);
  readonly pending = signal<Operation[]>([]);
  /** What others saved in between: set while there is a conflict. */
  readonly missed = signal<Operation[]>([]);
  readonly state = signal<SaveState>("saved");
  readonly message = signal("");
  readonly leaseLost = signal(false);
  /** Whether this device keeps what waits; its storage may be full or forbidden. */
  readonly keptHere = signal(true);
  recovered = 0;

  private seq: number;
  private known: Operation[] = [];

  /** All operations in order; it stays the same list when one is saved, so that nobody draws. */
  readonly all = computed(() => {
    const now = [...this.saved.value, ...this.pending.value];
    const same =
      now.length === this.known.length && now.every((op, i) => op.id === this.known[i].id);
    if (!same) this.known = now;
    return this.known;
  });

  private timer = 0;
  private sending: Promise<void> | null = null;
  private failures = 0;
  private lastInput = performance.now();
  private activeMs = 0;

  constructor(
    readonly user: number,
    readonly assignment: number,
    operations: Operation[],
    seq: number,
  ) {
    this.saved.value = operations;
    this.seq = seq;
    this.adopt();
  }

  get lastSeq(): number {
    return this.seq;
  }

  push(kind: Kind, payload: Payload): void {
    batch(() => {
      // Drawing waits for the end of the batch: what is shown has been kept.
      const operation = { id: randomId(), kind, payload, client_ms: Date.now() };
      this.pending.value = [...this.pending.value, operation];
      this.store();
      if (this.state.value === "saved") this.state.value = "saving";
    });
    this.noteInput();
    this.schedule(this.pending.value.length > MAX_IN_BATCH ? 0 : SOON_MS);
  }

  /** What this person did: nobody undoes another's edits, so that a correction stays. */
  private get own(): Operation[] {
    return this.all.value.filter((op) => (op.user_id ?? this.user) === this.user);
  }

  undo(): boolean {
    const { done } = undoStacks(this.own);
    if (!done.length) return false;
    this.push("undo", { op: done[done.length - 1] });
    return true;
  }

  redo(): boolean {
    const { undone } = undoStacks(this.own);
    if (!undone.length) return false;
    this.push("redo", { op: undone[undone.length - 1] });
    return true;
  }

  /** Count the time since the last input as work, unless it was a pause. */
  noteInput(): void {
    const now = performance.now();
    if (now - this.lastInput < IDLE_MS) this.activeMs += now - this.lastInput;
    this.lastInput = now;
  }

  /** Send what waits; resolves when everything is on the server or cannot be sent now. */
  async flush(): Promise<boolean> {
    window.clearTimeout(this.timer);
    while (this.pending.value.length) {
      this.sending ??= this.send().finally(() => {
        this.sending = null;
      });
      await this.sending;
      // Every other state waits for a person, or for the timer of the next attempt.
      if (this.state.value !== "saving" && this.state.value !== "saved") break;
    }
    return this.pending.value.length === 0;
  }

  /** After a conflict: put my edits on top of the others'. */
  keepMine(): void {
    this.takeOver();
    this.schedule(0);
  }

  /** After a conflict: drop my edits that are not saved. */
  takeTheirs(): void {
    batch(() => {
      this.pending.value = [];
      this.takeOver();
      this.state.value = "saved";
    });
  }

  private takeOver(): void {
    batch(() => {
      const missed = this.missed.value;
      this.saved.value = [...this.saved.value, ...missed];
      this.seq = Math.max(this.seq, ...missed.map((op) => op.seq ?? 0));
      this.missed.value = [];
      this.state.value = "saving";
      this.store();
    });
  }

  private schedule(after: number): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.flush(), after);
  }

  private async send(): Promise<void> {
    const operations = this.pending.value.slice(0, MAX_IN_BATCH);
    const activeMs = Math.round(Math.min(this.activeMs, MAX_ACTIVE_MS));
    this.state.value = "saving";
    try {
      const answer = await post<{ seq: number; lease: string }>(
        `/api/assignments/${this.assignment}/operations`,
        {
          client: this.client,
          base_seq: this.seq,
          operations: asSent(operations),
          active_ms: activeMs,
        },
      );
      this.failures = 0;
      this.activeMs -= activeMs;
      batch(() => this.markSaved(operations, answer.seq, answer.lease === "lost"));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      batch(() => this.handle(error));
    }
  }

  private markSaved(operations: Operation[], seq: number, leaseLost: boolean): void {
    const ids = new Set(operations.map((op) => op.id));
    const first = seq - operations.length + 1;
    const done = operations.map((op, i) => ({ ...op, seq: first + i, user_id: this.user }));
    this.saved.value = [...this.saved.value, ...done];
    this.pending.value = this.pending.value.filter((op) => !ids.has(op.id));
    this.seq = seq;
    this.leaseLost.value = leaseLost;
    this.store();
    this.state.value = this.pending.value.length ? "saving" : "saved";
  }

  private handle(error: ApiError): void {
    this.message.value = error.message;
    if (error.error === "conflict") {
      this.missed.value = error.body.operations ?? [];
      this.state.value = "conflict";
    } else if (error.status === 401 || error.error === "csrf") {
      this.state.value = "login";
    } else if (error.error === "closed") {
      this.state.value = "closed";
    } else if (error.offline || error.status >= 500 || error.status === 429) {
      this.state.value = "offline"; // it passes by itself: try again, less and less often
      this.schedule(RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
    } else {
      this.state.value = "refused";
    }
  }

  private store(): void {
    const key = ownKey(OUTBOX, this.assignment, this.client);
    const operations = this.pending.value;
    if (operations.length) {
      const stored: Stored = { client: this.client, base_seq: this.seq, operations };
      // Where it cannot be kept, the page must say so.
      this.keptHere.value = keep(key, JSON.stringify(stored));
    } else forget(key);
  }

  /** Take over what a tab that is gone left behind. */
  private adopt(): void {
    const known = new Set(this.saved.value.map((op) => op.id));
    const keys = storedKeys(this.user, this.assignment);
    for (const key of keys) {
      const stored = readStored(key);
      if (!stored) continue;
      const left = stored.operations.filter((op) => !known.has(op.id));
      if (!left.length) continue;
      this.pending.value = [...this.pending.value, ...left];
      this.recovered += left.length;
      const others = this.saved.value.filter(
        (op) => (op.seq ?? 0) > stored.base_seq && op.client !== stored.client,
      );
      if (others.length) {
        // Shown as a conflict: the saved operations are the others', and nothing of ours is on top
        // of them yet.
        this.missed.value = others;
        this.saved.value = this.saved.value.filter((op) => !others.includes(op));
        this.state.value = "conflict";
      }
    }
    // First under this window's name, then away under the old ones: a crash in between keeps both.
    if (this.pending.value.length) this.store();
    if (this.keptHere.value) for (const key of keys) forget(key);
    if (!this.pending.value.length) return;
    if (this.state.value !== "conflict") {
      this.state.value = "saving";
      this.schedule(0);
    }
  }
}

/** Assignments with operations that never reached the server, from tabs that are gone. */
export function leftOver(user: number): { assignment: number; count: number }[] {
  const counts = new Map<number, number>();
  for (const key of storedKeys(user)) {
    const assignment = Number(key.split(".")[3]);
    counts.set(
      assignment,
      (counts.get(assignment) ?? 0) + (readStored(key)?.operations.length ?? 0),
    );
  }
  return [...counts]
    .filter(([, count]) => count > 0)
    .map(([assignment, count]) => ({ assignment, count }));
}

/**
 * Send what is left over where nothing stands in the way; the rest stays until its task is opened.
 */
export async function sendLeftOver(user: number): Promise<number> {
  let sent = 0;
  for (const key of storedKeys(user)) {
    const stored = readStored(key);
    if (!stored) continue;
    try {
      while (stored.operations.length) {
        const first = stored.operations.slice(0, MAX_IN_BATCH);
        const { seq } = await post<{ seq: number }>(
          `/api/assignments/${key.split(".")[3]}/operations`,
          {
            client: stored.client,
            base_seq: stored.base_seq,
            operations: asSent(first),
          },
        );
        sent += first.length;
        stored.operations = stored.operations.slice(first.length);
        stored.base_seq = seq;
        keep(key, JSON.stringify(stored));
      }
      forget(key);
    } catch {
      // it stays on this device; opening the task shows what is the matter
    }
  }
  return sent;
}
