// From operations to labels: the replay. The server has the same in documents.py; a test compares
// the two.

import type { Clash, CleanLabel, FrameRange, Operation, Predictions, Remark } from "./types";

export interface ActionDocument {
  buttons: Uint8Array[]; // [K][T]
  camera: Float64Array[]; // [A][T], degrees
  edited: Uint8Array; // [T]
  accepted: Uint8Array;
  unsure: Uint8Array;
  valid: Uint8Array;
  note: string;
}

export interface CleanDocument {
  labels: (CleanLabel | null)[];
  reasons: string[][];
  note: string;
}

/** The operations that count: undone ones and the undoing itself left out. */
export function effective(operations: Operation[]): Operation[] {
  const undone = new Map<string, boolean>();
  for (const op of operations) {
    if (op.kind === "undo" || op.kind === "redo") undone.set(op.payload.op!, op.kind === "undo");
  }
  return operations.filter((op) => op.kind !== "undo" && op.kind !== "redo" && !undone.get(op.id));
}

/** What undo and redo would name next. The log implies both stacks, so they survive a reload. */
export function undoStacks(operations: Operation[]): { done: string[]; undone: string[] } {
  let done: string[] = [];
  let undone: string[] = [];
  for (const op of operations) {
    if (op.kind === "undo") {
      done = done.filter((id) => id !== op.payload.op);
      undone.push(op.payload.op!);
    } else if (op.kind === "redo") {
      undone = undone.filter((id) => id !== op.payload.op);
      done.push(op.payload.op!);
    } else {
      done.push(op.id);
      undone = [];
    }
  }
  return { done, undone };
}

/** What has been said about frames, by their order in the task. */
export function remarksOf(operations: Operation[]): Remark[] {
  return effective(operations)
    .filter((op) => op.kind === "remark")
    .map(({ id, user_id, payload: { start = 0, end = 1, text = "" } }) => ({
      ...{ id, user_id, start, end, text },
    }))
    .sort((a, b) => a.start - b.start);
}

const digits = (text: string): Uint8Array => Uint8Array.from(text, (c) => (c === "1" ? 1 : 0));

export function predictedButtons(predictions: Predictions): Uint8Array[] {
  return predictions.buttons.map(digits);
}

export function replayActions(predictions: Predictions, operations: Operation[]): ActionDocument {
  const frames = predictions.confidence.length;
  const buttons = predictedButtons(predictions);
  const valid = digits(predictions.valid);
  const document: ActionDocument = {
    buttons: buttons.map((lane) => lane.slice()),
    camera: predictions.camera.map((axis) => Float64Array.from(axis)),
    edited: new Uint8Array(frames),
    accepted: new Uint8Array(frames),
    unsure: new Uint8Array(frames),
    valid: valid.slice(),
    note: "",
  };
  for (const op of effective(operations)) {
    const { start = 0, end = 0, lane = 0, axis = 0, value, values = [0] } = op.payload;
    switch (op.kind) {
      case "note":
        document.note = op.payload.text ?? "";
        break;
      case "paint":
        document.buttons[lane].fill(Number(value), start, end);
        document.edited.fill(1, start, end);
        break;
      case "press": {
        const { to_start = 0, to_end = 0 } = op.payload;
        document.buttons[lane].fill(0, start, end).fill(1, to_start, to_end);
        document.edited.fill(1, start, end).fill(1, to_start, to_end);
        break;
      }
      case "camera":
        for (let t = start; t < end; t++)
          document.camera[axis][t] = values.length === 1 ? values[0] : values[t - start];
        document.edited.fill(1, start, end);
        break;
      case "release":
        for (const row of document.buttons) row.fill(0, start, end);
        for (const row of document.camera) row.fill(0, start, end);
        document.edited.fill(1, start, end);
        break;
      case "reset":
        for (const [k, row] of document.buttons.entries())
          row.set(buttons[k].subarray(start, end), start);
        for (const [a, row] of document.camera.entries())
          row.set(predictions.camera[a].slice(start, end), start);
        document.valid.set(valid.subarray(start, end), start);
        for (const marks of [document.edited, document.accepted, document.unsure])
          marks.fill(0, start, end);
        break;
      case "accept":
        document.accepted.fill(value ? 1 : 0, start, end);
        if (value) document.unsure.fill(0, start, end); // nobody is both sure and unsure
        break;
      case "unsure":
        document.unsure.fill(value ? 1 : 0, start, end);
        if (value) document.accepted.fill(0, start, end);
        break;
      case "invalid":
        document.valid.fill(value ? 0 : 1, start, end);
        break;
    }
  }
  return document;
}

export function replayClean(frames: number, operations: Operation[]): CleanDocument {
  const document: CleanDocument = {
    labels: new Array(frames).fill(null),
    reasons: Array.from({ length: frames }, () => []),
    note: "",
  };
  for (const op of effective(operations)) {
    if (op.kind === "note") document.note = op.payload.text ?? "";
    else if (op.kind === "label") {
      for (let t = op.payload.start!; t < op.payload.end!; t++) {
        document.labels[t] = op.payload.label ?? null;
        document.reasons[t] =
          op.payload.label === "artifacts" ? [...(op.payload.reasons ?? [])] : [];
      }
    }
  }
  return document;
}

/** Degrees: a smaller difference is what rounding does. */
export const CAMERA_SAME_DEG = 0.01;

// Confident frames between two uncertain ones that still belong to one run: nobody wants to jump
// for three.
const MAX_GAP = 3;

// Frames: about a second, so that one key never vouches for more than an eye has seen.
const MAX_RUN = 16;

/** Where a model was unsure, of each lane by itself: 1 where it was, a value per frame. */
export interface Doubts {
  lanes: Uint8Array[]; // [K][T]
  camera: Uint8Array;
  any: Uint8Array;
}

/**
 * A lane is in doubt where the probability of what the model says there is below the threshold.
 * The confidence of a whole frame would not do: of fourteen lanes of which each is right with 96 %
 * all are right with 56 %. What the lanes do not explain of it is the camera's share.
 */
export function doubtsOf(predictions: Predictions, threshold: number): Doubts {
  const { buttons_prob, confidence } = predictions;
  const held = predictedButtons(predictions);
  const sure = buttons_prob.map((row, k) => row.map((p, t) => (held[k][t] ? p : 1 - p)));
  const camera = Uint8Array.from(confidence, (whole, t) => {
    const buttons = sure.reduce((product, row) => product * row[t], 1);
    return predictions.camera.length && whole < threshold * buttons ? 1 : 0;
  });
  const lanes = sure.map((row) => Uint8Array.from(row, (p) => (p < threshold ? 1 : 0)));
  const any = camera.map((value, t) => (value || lanes.some((row) => row[t]) ? 1 : 0));
  return { lanes, camera, any };
}

/** The lane that is in doubt in most frames of a run; -1 where it is only the camera. */
export function mostDoubtful({ lanes }: Doubts, { start, end }: FrameRange): number {
  const counts = lanes.map((row) => row.subarray(start, end).reduce((sum, one) => sum + one, 0));
  const most = Math.max(0, ...counts);
  return most ? counts.indexOf(most) : -1;
}

/** Stretches of frames in which something is in doubt, long ones cut into equal parts. */
export function uncertainRuns(doubtful: Uint8Array): FrameRange[] {
  const runs: FrameRange[] = [];
  doubtful.forEach((value, t) => {
    if (!value) return;
    const last = runs[runs.length - 1];
    if (last && t - last.end <= MAX_GAP) last.end = t + 1;
    else runs.push({ start: t, end: t + 1 });
  });
  return runs.flatMap(({ start, end }) => {
    const parts = Math.ceil((end - start) / MAX_RUN);
    const cut = (i: number): number => start + Math.round(((end - start) * i) / parts);
    return Array.from({ length: parts }, (_, i) => ({ start: cut(i), end: cut(i + 1) }));
  });
}

/** Frames in which two documents say something else: 1 where they do, a value per frame. */
export function differingFrames(a: ActionDocument, b: ActionDocument): Uint8Array {
  return a.valid.map((valid, t) => {
    const isSame =
      valid === b.valid[t] &&
      a.unsure[t] === b.unsure[t] &&
      a.buttons.every((row, k) => row[t] === b.buttons[k][t]) &&
      a.camera.every((row, k) => Math.abs(row[t] - b.camera[k][t]) < CAMERA_SAME_DEG);
    return isSame ? 0 : 1;
  });
}

/** Whether somebody has decided about every frame of a run. */
export function isHandled(run: FrameRange, document: ActionDocument): boolean {
  for (let t = run.start; t < run.end; t++) {
    if (!document.accepted[t] && !document.unsure[t] && document.valid[t]) return false;
  }
  return true;
}

/**
 * Where buttons of one group are held together, by their starts. Frames that have no label, or of
 * which somebody has said that one cannot tell, claim nothing.
 */
export function clashesOf(document: ActionDocument, groups: number[][]): Clash[] {
  const { buttons, unsure, valid } = document;
  const found: Clash[] = [];
  for (const group of groups) {
    let last: Clash | null = null;
    for (let t = 0; t < valid.length; t++) {
      const lanes = valid[t] && !unsure[t] ? group.filter((lane) => buttons[lane][t]) : [];
      if (lanes.length < 2) last = null;
      else if (last && String(last.lanes) === String(lanes)) last.end = t + 1;
      else {
        last = { start: t, end: t + 1, lanes };
        found.push(last);
      }
    }
  }
  return found.sort((a, b) => a.start - b.start);
}
