// The operations of a task: what the server has, and what waits on this device until the server has it.
//
// Every operation goes to localStorage before anything else happens, so that neither a crashed tab nor a dead server loses
// it. The server knows ids it has seen, so sending twice is harmless.

import { ApiError, post } from "./api";
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

const PREFIX = "vidact.outbox";
const SOON_MS = 200; // a burst of keys is one request
const MOST_IN_BATCH = 200;
const RETRY_MS = [1000, 2000, 4000, 8000, 15000];
const IDLE_MS = 30_000; // a longer pause between two inputs is no work

export function randomId(): string {
  const raw = crypto.getRandomValues(new Uint8Array(15)); // randomUUID is missing on plain HTTP
  return btoa(String.fromCharCode(...raw))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

const storageKey = (user: number, assignment: number, client: string): string =>
  `${PREFIX}.${user}.${assignment}.${client}`;

function readStored(key: string): Stored | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

function storedKeys(user: number, assignment?: number): string[] {
  const start =
    assignment === undefined ? `${PREFIX}.${user}.` : `${PREFIX}.${user}.${assignment}.`;
  return Object.keys(localStorage).filter((key) => key.startsWith(start));
}

export class OperationLog {
  readonly client = randomId();
  saved: Operation[];
  pending: Operation[] = [];
  missed: Operation[] = [];
  recovered = 0;
  state: SaveState = "saved";
  message = "";
  leaseLost = false;
  keptHere = true;
  onChange: (labelsChanged: boolean) => void = () => {};

  private seq: number;
  private timer = 0;
  private sending: Promise<void> | null = null;
  private failures = 0;
  private lastInput = performance.now();
  private activeMs = 0;
  private stopped = false;

  constructor(
    readonly user: number,
    readonly assignment: number,
    operations: Operation[],
    seq: number,
  ) {
    this.saved = operations;
    this.seq = seq;
    this.adopt();
  }

  get all(): Operation[] {
    return [...this.saved, ...this.pending];
  }

  get lastSeq(): number {
    return this.seq;
  }

  push(kind: Kind, payload: Payload): void {
    this.pending.push({ id: randomId(), kind, payload, client_ms: Date.now() });
    this.store();
    this.noteInput();
    if (this.state === "saved") this.state = "saving";
    this.onChange(true);
    this.schedule(this.pending.length > MOST_IN_BATCH ? 0 : SOON_MS);
  }

  undo(): boolean {
    const { done } = undoStacks(this.all);
    if (!done.length) return false;
    this.push("undo", { op: done[done.length - 1] });
    return true;
  }

  redo(): boolean {
    const { undone } = undoStacks(this.all);
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
    while (this.pending.length && !this.stopped) {
      this.sending ??= this.send().finally(() => (this.sending = null));
      await this.sending;
      if (this.state !== "saving" && this.state !== "saved") break;
    }
    return this.pending.length === 0;
  }

  /** After a conflict: put my edits on top of the others'. */
  keepMine(): void {
    this.takeOver();
    this.schedule(0);
  }

  /** After a conflict: drop my edits that are not saved. */
  takeTheirs(): void {
    this.pending = [];
    this.takeOver();
    this.state = "saved";
    this.onChange(true);
  }

  stop(): void {
    this.stopped = true;
    window.clearTimeout(this.timer);
  }

  private takeOver(): void {
    this.saved = [...this.saved, ...this.missed];
    this.seq = Math.max(this.seq, ...this.missed.map((op) => op.seq ?? 0));
    this.missed = [];
    this.state = "saving";
    this.store();
    this.onChange(true);
  }

  private schedule(after: number): void {
    window.clearTimeout(this.timer);
    if (!this.stopped) this.timer = window.setTimeout(() => void this.flush(), after);
  }

  private async send(): Promise<void> {
    const batch = this.pending.slice(0, MOST_IN_BATCH);
    const activeMs = Math.round(Math.min(this.activeMs, 600_000));
    this.state = "saving";
    this.onChange(false);
    try {
      const answer = await post<{ seq: number; lease: string }>(
        `/api/assignments/${this.assignment}/operations`,
        {
          client: this.client,
          base_seq: this.seq,
          operations: batch.map(({ id, kind, payload, client_ms }) => ({
            id,
            kind,
            payload,
            client_ms,
          })),
          active_ms: activeMs,
        },
      );
      this.failures = 0;
      this.activeMs -= activeMs;
      const ids = new Set(batch.map((op) => op.id));
      const first = answer.seq - batch.length + 1;
      this.saved.push(...batch.map((op, i) => ({ ...op, seq: first + i, user_id: this.user })));
      this.pending = this.pending.filter((op) => !ids.has(op.id));
      this.seq = answer.seq;
      this.leaseLost = answer.lease === "lost";
      this.store();
      this.state = this.pending.length ? "saving" : "saved";
      this.onChange(false);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.message = error.message;
      if (error.offline) {
        this.state = "offline";
        this.schedule(RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
      } else if (error.error === "conflict") {
        this.missed = error.body.operations ?? [];
        this.state = "conflict";
      } else if (error.status === 401 || error.error === "csrf") {
        this.state = "login";
      } else if (error.error === "closed") {
        this.state = "closed";
      } else if (error.status >= 500 || error.status === 429) {
        this.state = "offline";
        this.schedule(RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
      } else {
        this.state = "refused";
      }
      this.onChange(false);
    }
  }

  private store(): void {
    const key = storageKey(this.user, this.assignment, this.client);
    if (this.pending.length) {
      const stored: Stored = { client: this.client, base_seq: this.seq, operations: this.pending };
      try {
        localStorage.setItem(key, JSON.stringify(stored));
      } catch {
        this.keptHere = false; // storage is full or forbidden: the page must say so
      }
    } else localStorage.removeItem(key);
  }

  /** Take over what a tab that is gone left behind. */
  private adopt(): void {
    const known = new Set(this.saved.map((op) => op.id));
    const keys = storedKeys(this.user, this.assignment);
    for (const key of keys) {
      const stored = readStored(key);
      if (!stored) continue;
      const left = stored.operations.filter((op) => !known.has(op.id));
      if (!left.length) continue;
      this.pending.push(...left);
      this.recovered += left.length;
      const others = this.saved.filter(
        (op) => (op.seq ?? 0) > stored.base_seq && op.client !== stored.client,
      );
      if (others.length) {
        // Shown as a conflict: the saved operations are the others', and nothing of ours is on top of them yet.
        this.missed = others;
        this.saved = this.saved.filter((op) => !others.includes(op));
        this.state = "conflict";
      }
    }
    if (this.pending.length) this.store(); // first under this window's name, then away under the old ones
    for (const key of keys) localStorage.removeItem(key);
    if (!this.pending.length) return;
    if (this.state !== "conflict") {
      this.state = "saving";
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

/** Send what is left over where nothing stands in the way; the rest stays until its task is opened. */
export async function sendLeftOver(user: number): Promise<number> {
  let sent = 0;
  for (const key of storedKeys(user)) {
    const stored = readStored(key);
    if (!stored) continue;
    try {
      while (stored.operations.length) {
        const batch = stored.operations.slice(0, MOST_IN_BATCH);
        const { seq } = await post<{ seq: number }>(
          `/api/assignments/${key.split(".")[3]}/operations`,
          {
            client: stored.client,
            base_seq: stored.base_seq,
            operations: batch.map(({ id, kind, payload, client_ms }) => ({
              id,
              kind,
              payload,
              client_ms,
            })),
          },
        );
        sent += batch.length;
        stored.operations = stored.operations.slice(batch.length);
        stored.base_seq = seq;
        localStorage.setItem(key, JSON.stringify(stored));
      }
      localStorage.removeItem(key);
    } catch {
      // it stays on this device; opening the task shows what is the matter
    }
  }
  return sent;
}
