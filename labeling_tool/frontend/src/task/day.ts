// How much somebody has submitted today, as their clock has it.

import { signal } from "@preact/signals";
import { get } from "../api";
import type { AssignmentRow } from "../types";

/** Submissions of today; null until it is known. */
export const today = signal<number | null>(null);

const dayOf = (date: Date): string => date.toDateString();

/** How many of somebody's assignments they submitted today. */
export function doneToday(rows: AssignmentRow[]): number {
  const day = dayOf(new Date());
  return rows.filter((row) => row.finished && dayOf(new Date(row.submitted_ms ?? 0)) === day)
    .length;
}

let asked = "";

/** Count anew where that was not done today; later submissions are counted as they are made. */
export function countToday(): void {
  const day = dayOf(new Date());
  if (asked === day) return;
  asked = day;
  get<AssignmentRow[]>("/api/assignments")
    .then((rows) => {
      today.value = doneToday(rows);
    })
    .catch(() => {
      asked = ""; // the next task asks again
    });
}

export function countSubmission(): void {
  if (today.value !== null) today.value += 1;
}
