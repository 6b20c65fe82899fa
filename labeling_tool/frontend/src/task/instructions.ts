// Which project's instructions somebody has read in this browser, and in which words.

import type { TaskData } from "../types";

type Project = Pick<TaskData["project"], "id" | "instructions">;

const keyOf = ({ id }: Project): string => `vidact.read.${id}`;

/** Whether there is nothing new to read: what has changed since is to be read again. */
export function hasRead(project: Project): boolean {
  if (!project.instructions) return true;
  try {
    return localStorage.getItem(keyOf(project)) === project.instructions;
  } catch {
    return false; // storage is refused: they are shown again
  }
}

export function noteRead(project: Project): void {
  try {
    localStorage.setItem(keyOf(project), project.instructions);
  } catch {
    // as above
  }
}
