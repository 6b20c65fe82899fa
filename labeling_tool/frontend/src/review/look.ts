// How the screen of action review is divided, and what it shows beside the frame. It depends on the
// screen and on whoever sits before it, not on the task: it is kept on this device.

import { effect, type Signal, signal } from "@preact/signals";
import { keep, keptJson } from "../device";
import { limit } from "./ranges";

const KEY = "vidact.look";
export const SHARES = { low: 0.15, high: 0.8 }; // neither picture nor timeline ever vanishes

interface Kept {
  share: number | null;
  neighbors: boolean;
  lens: boolean;
  sharp: boolean;
  folds: boolean;
  lensAt: [number, number];
}

const within = (value: number): number => limit(value, SHARES.low, SHARES.high);

const was: Partial<Kept> = keptJson<Partial<Kept>>(KEY) ?? {};
const share = signal<number | null>(was.share ? within(was.share) : null);

export const look = {
  /** The timeline's share of the window's height; null where it takes what its lanes need. */
  share,
  /** Whether the frames before and after are shown beside the frame. */
  neighbors: signal(was.neighbors === true),
  /** Whether a part of the frame is shown enlarged, beside it. */
  lens: signal(was.lens === true),
  /** The middle of that part, as shares of the frame's width and height. */
  lensAt: signal<[number, number]>(was.lensAt ?? [0.5, 0.5]),
  /** Whether pixels are shown as squares instead of smoothed. */
  sharp: signal(was.sharp === true),
  /** Whether lanes that a task does not use are folded away. */
  folds: signal(was.folds !== false),
  /** Whether picture and timeline have the whole screen; not kept: a page begins as a page. */
  full: signal(false),
};

effect(() => {
  const now: Kept = {
    share: share.value,
    neighbors: look.neighbors.value,
    lens: look.lens.value,
    lensAt: look.lensAt.value,
    sharp: look.sharp.value,
    folds: look.folds.value,
  };
  keep(KEY, JSON.stringify(now));
});

/** Turn a choice on, or off again. */
export function flip(choice: Signal<boolean>): void {
  choice.value = !choice.value;
}

/** Give the timeline so much of the window's height; null: as much as its lanes need. */
export function divide(to: number | null): void {
  share.value = to === null ? null : within(to);
}

/** Look at another part of the frame, in shares of its width and height. */
export function moveLens(x: number, y: number): void {
  look.lensAt.value = [limit(x, 0, 1), limit(y, 0, 1)];
}

/** The whole screen for picture and timeline, or the page again. */
export function toggleFull(): void {
  flip(look.full);
  // Where a browser refuses its part (a frame in another page), the page still makes room.
  if (look.full.value) document.documentElement.requestFullscreen?.().catch(() => {});
  else if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
}

/** Esc ends a browser's full screen without asking the page. */
export function followFullScreen(): () => void {
  const follow = (): void => {
    if (!document.fullscreenElement) look.full.value = false;
  };
  document.addEventListener("fullscreenchange", follow);
  return () => document.removeEventListener("fullscreenchange", follow);
}
