// What the server sends and takes. Frames count from 0 within a task; ranges are half-open.

export type Role = "admin" | "reviewer" | "annotator" | "contractor";

export interface PersonalSettings {
  theme?: "auto" | "light" | "dark";
  keys?: Record<string, string>;
  single_keys?: boolean;
  /** Whether each uncertain run is played by itself; by default it is. */
  watch?: boolean;
  tour?: number;
}

export interface Person {
  id: number;
  name: string;
  role: Role;
  settings: PersonalSettings;
  csrf: string;
  /** When the account was made: with its number it tells databases apart. */
  created_ms: number;
}

export type Kind =
  | "paint"
  | "press"
  | "camera"
  | "release"
  | "reset"
  | "accept"
  | "unsure"
  | "invalid"
  | "label"
  | "undo"
  | "redo"
  | "note"
  | "remark";

export interface Payload {
  start?: number;
  end?: number;
  lane?: number;
  to_start?: number;
  to_end?: number;
  axis?: number;
  value?: number | boolean;
  values?: number[];
  label?: CleanLabel | null;
  reasons?: string[];
  op?: string;
  text?: string;
}

export interface Operation {
  id: string;
  kind: Kind;
  payload: Payload;
  client_ms: number;
  seq?: number;
  client?: string;
  user_id?: number;
  at_ms?: number;
  who?: string;
}

export type CleanLabel = "clean" | "artifacts" | "none" | "unsure";

export interface Predictions {
  buttons: string[];
  buttons_prob: number[][];
  camera: number[][];
  confidence: number[];
  valid: string;
}

export interface AssignmentRow {
  id: number;
  task_id: number;
  user_id: number;
  state: string;
  finished: boolean;
  lease_ms: number;
  seq: number;
  reason: string;
  active_ms: number;
  submitted_ms: number | null;
}

export interface Axis {
  name: string;
  /** What moves it: `dx` and `dy` of the mouse, its `wheel`, `gamepad.left_x`, `cursor.x` … */
  input: string;
  /** `degrees`, `notches`, or nothing where it stands somewhere between `low` and `high`. */
  unit: string;
  low: number;
  high: number;
}

export interface TaskData {
  assignment: AssignmentRow;
  mine: boolean;
  may_review: boolean;
  person: string;
  task: {
    id: number;
    frames: number;
    pts_ns: number[];
    start_ns: number;
    first_tick: number | null;
    source: string;
    pictures: string;
  };
  project: {
    id: number;
    name: string;
    kind: "actions" | "clean";
    practice: boolean;
    threshold: number;
    instructions: string;
    lease_s: number;
    buttons: string[];
    inputs: string[];
    /** Groups of lanes that exclude each other, such as left and right. */
    exclusive: number[][];
    axes: Axis[];
  };
  predictions: Predictions | null;
  operations: Operation[];
  /** What other people submitted for the same task, for who reviews it. */
  others?: { assignment: number; who: string; operations: Operation[] }[];
}

/** Frames of a task, half-open. */
export interface FrameRange {
  start: number;
  end: number;
}

/** What somebody said about some frames. */
export interface Remark extends FrameRange {
  id: string;
  text: string;
  user_id?: number;
}

/** Frames in which lanes are held that exclude each other. */
export interface Clash extends FrameRange {
  lanes: number[];
}

export interface Progress {
  tasks: number;
  done: number;
  frames: number;
  done_frames: number;
  submitted: number;
  approved: number;
  returned: number;
  in_work: number;
  worked_s: number;
  to_go_s: number | null;
}

export interface ProjectRow {
  id: number;
  name: string;
  kind: "actions" | "clean";
  state: "open" | "paused";
  practice: boolean;
  spec: string | null;
  role: Role;
  created_ms: number;
  /** Who made it; nobody, where the start of the server did. */
  owner: string | null;
  /** When somebody last worked on it. */
  worked_ms: number | null;
  /** Contractors are not told. */
  progress: Progress | null;
  mine: Record<string, number>;
}

export interface ProjectSettings {
  open_to_all: boolean;
  solo: boolean;
  overlap: number;
  random_fraction: number;
  lease_s: number;
  pause_s: number;
  threshold: number;
  review_first: number;
  review_share: number;
  gold_first: number;
  gold_share: number;
  qualify: number;
  hourly_cost: number;
  instructions: string;
}

/** A project as those see it who look after it. */
export interface ProjectDetails
  extends Pick<ProjectRow, "id" | "name" | "kind" | "state" | "practice" | "spec"> {
  progress: Progress;
  settings: ProjectSettings;
  people: {
    name: string;
    submitted: number;
    returned: number;
    worked_s: number;
    operations: number;
  }[];
  members: { id: number; name: string; role: string }[];
}
