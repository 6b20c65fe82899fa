// Which project's instructions somebody has read in this browser, and in which words.

import { keep, kept, ownKey } from "../device";
import type { TaskData } from "../types";

type Project = Pick<TaskData["project"], "id" | "instructions">;

const keyOf = ({ id }: Project): string => ownKey("read", id);

/** Whether there is nothing new to read: what has changed since is to be read again. */
export function hasRead(project: Project): boolean {
  return !project.instructions || kept(keyOf(project)) === project.instructions;
}

export function noteRead(project: Project): void {
  keep(keyOf(project), project.instructions); // where that is refused they are shown again
}
