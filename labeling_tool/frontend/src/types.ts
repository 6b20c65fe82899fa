// What the server sends and takes. Frames count from 0 within a task; ranges are half-open.

export type Role = "admin" | "reviewer" | "annotator" | "contractor";

export interface PersonalSettings {
  theme?: "auto" | "light" | "dark";
  keys?: Record<string, string>;
  single_keys?: boolean;
  tour?: number;
}

export interface Person {
  id: number;
  name: string;
  role: Role;
  settings: PersonalSettings;
  csrf: string;
}

export type Kind =
  | "paint"
  | "camera"
  | "release"
  | "reset"
  | "accept"
  | "unsure"
  | "invalid"
  | "label"
  | "undo"
  | "redo"
  | "note";

export interface Payload {
  start?: number;
  end?: number;
  lane?: number;
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
  input: "dx" | "dy";
  max_deg: number;
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
}

/** Frames of a task, half-open. */
export interface FrameRange {
  start: number;
  end: number;
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
  progress: Progress;
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
  instructions: string;
}

/** A project as those see it who look after it. */
export interface ProjectDetails extends ProjectRow {
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
