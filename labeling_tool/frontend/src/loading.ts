// Opening tasks, and having the next one ready before it is asked for.

import { ApiError, get, post } from "./api";
import { closePictures, loadPictures, type Pictures } from "./bundle";
import type { Operation, TaskData } from "./types";

export interface Opened {
  data: TaskData;
  pictures: Pictures;
}

const ready = new Map<number, Promise<Opened>>();

async function open(assignment: number, onProgress?: (share: number) => void): Promise<Opened> {
  const data = await get<TaskData>(`/api/assignments/${assignment}`);
  const pictures = await loadPictures(data.task.pictures, onProgress);
  return { data, pictures };
}

/** The task with its pictures decoded: the prepared one where there is one. */
export async function openTask(
  assignment: number,
  onProgress?: (share: number) => void,
): Promise<Opened> {
  const prepared = ready.get(assignment);
  ready.delete(assignment);
  if (prepared) {
    try {
      const opened = await prepared;
      await catchUp(opened.data).catch((error: unknown) => {
        // Cut off: nobody else works on it meanwhile, and if they do, saving finds it out.
        if (!(error instanceof ApiError && error.offline)) throw error;
      });
      return opened;
    } catch {
      // try again below, and show what goes wrong
    }
  }
  return open(assignment, onProgress);
}

/** A task may have been prepared minutes ago: fetch what was saved since, in another window say. */
async function catchUp(data: TaskData): Promise<void> {
  const row = data.assignment;
  const { operations } = await get<{ operations: Operation[] }>(
    `/api/assignments/${row.id}/operations?after=${row.seq}`,
  );
  data.operations.push(...operations);
  row.seq += operations.length;
}

export interface Next {
  assignment: number;
  settled: Promise<boolean>;
}

/** Claim the task after this one and get its pictures. Null where there is none. */
export async function prepareNext(project: number, beside: number): Promise<Next | null> {
  const { assignment } = await post<{ assignment: number | null }>(
    `/api/projects/${project}/claim`,
    { beside },
  );
  return assignment === null ? null : prepare(assignment);
}

/** The same for the submission to be reviewed after this one. */
export async function prepareReview(project: number, beside: number): Promise<Next | null> {
  const { assignment } = await nextReview(project, beside);
  return assignment === null ? null : prepare(assignment);
}

/** The next submission to look at, and how many wait. */
export function nextReview(
  project: number,
  beside?: number,
): Promise<{ assignment: number | null; left: number }> {
  return get(`/api/projects/${project}/reviews/next${beside ? `?beside=${beside}` : ""}`);
}

function prepare(assignment: number): Next {
  if (!ready.has(assignment)) {
    for (const [other, opened] of ready) {
      ready.delete(other); // one task ahead: decoded pictures are large
      void opened.then(({ pictures }) => closePictures(pictures)).catch(() => {});
    }
    ready.set(assignment, open(assignment));
  }
  const settled = ready.get(assignment)!.then(
    () => true,
    () => false,
  );
  return { assignment, settled };
}

export async function claimFirst(project: number): Promise<number | null> {
  return (await post<{ assignment: number | null }>(`/api/projects/${project}/claim`)).assignment;
}
