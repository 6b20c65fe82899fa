// How much somebody has submitted today, as their clock has it.

import { signal } from "@preact/signals";
import { get } from "../api";
import type { AssignmentRow } from "../types";

/** Submissions of today; null until it is known. */
export const today = signal<number | null>(null);

export const isOfToday = (ms: number): boolean =>
  new Date(ms).toDateString() === new Date().toDateString();

let asked = "";

/** Count anew where that was not done today; later submissions are counted as they are made. */
export function countToday(): void {
  const day = new Date().toDateString();
  if (asked === day) return;
  asked = day;
  get<AssignmentRow[]>("/api/assignments")
    .then((rows) => {
      today.value = rows.filter((row) => row.finished && isOfToday(row.submitted_ms ?? 0)).length;
    })
    .catch(() => {
      asked = ""; // the next task asks again
    });
}

export function countSubmission(): void {
  if (today.value !== null) today.value += 1;
}
