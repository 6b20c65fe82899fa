// Ranges of frames, and the presses of a lane: stretches in which its button is held.

import type { FrameRange } from "../types";

export const limit = (value: number, low: number, high: number): number =>
  Math.max(low, Math.min(high, value));

export const contains = ({ start, end }: FrameRange, frame: number): boolean =>
  start <= frame && frame < end;

export const sameRange = (a: FrameRange | null, b: FrameRange | null): boolean =>
  a?.start === b?.start && a?.end === b?.end;

/** A range as people count frames. */
export const rangeText = (range: FrameRange | null): string =>
  range ? (range.end - range.start === 1 ? `${range.end}` : `${range.start + 1}–${range.end}`) : "";

/** The presses of a lane, in order. */
export function pressesOf(row: Uint8Array): FrameRange[] {
  const found: FrameRange[] = [];
  row.forEach((held, t) => {
    if (!held) return;
    const last = found[found.length - 1];
    if (last?.end === t) last.end = t + 1;
    else found.push({ start: t, end: t + 1 });
  });
  return found;
}

/** How many frames lie between a press and a frame; 0 within it. */
export const awayFrom = ({ start, end }: FrameRange, frame: number): number =>
  frame < start ? start - frame : Math.max(0, frame - end + 1);

/** The press that is nearest to a frame; of two equally near ones the earlier. */
export function nearestPress(row: Uint8Array, frame: number): FrameRange | null {
  let best: FrameRange | null = null;
  for (const press of pressesOf(row))
    if (!best || awayFrom(press, frame) < awayFrom(best, frame)) best = press;
  return best;
}

/** Frames at which a lane changes (the first frame after each change). */
export function edgesOf(row: Uint8Array): number[] {
  const found: number[] = [];
  for (let t = 1; t < row.length; t++) if (row[t] !== row[t - 1]) found.push(t);
  return found;
}
