// What an axis of a game is like: in which unit its values are shown, and which one arrows move.

import type { Axis } from "../types";

/** Of a stick, the part of a degree's place that arrows move it by: two of them are a tenth. */
const SHARE_STEP = 0.05;

export const stepOf = (axis: Axis): number => (axis.unit === "degrees" ? 1 : SHARE_STEP);

/** What stands after a number of a unit: nothing after notches, nor after a stick's place. */
export const signOf = (unit: string): string => (unit === "degrees" ? "°" : "");

/** A value with its unit, rounded, without a minus before zero. */
export function axisText(axis: Axis, value: number): string {
  const digits = axis.unit ? 1 : 2;
  const shown = Math.abs(value) < 0.5 / 10 ** digits ? 0 : value;
  return `${shown.toFixed(digits)}${signOf(axis.unit)}`;
}

/** The axis that goes across or along the picture: the camera's, else the first stick's. */
export function axisAlong(axes: Axis[], direction: "dx" | "dy"): number {
  const camera = axes.findIndex((axis) => axis.input === direction);
  if (camera >= 0) return camera;
  const end = direction === "dx" ? /[._]x$/ : /[._]y$/;
  return axes.findIndex((axis) => end.test(axis.input));
}
