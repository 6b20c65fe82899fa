// Opening a task for work: its data, its pictures, its log of operations.

import { useEffect, useState } from "preact/hooks";
import { closePictures } from "../bundle";
import { type Opened, openTask } from "../loading";
import { OperationLog } from "../oplog";
import { errorText, person, say } from "../session";
import { takeBack } from "./later";

export interface OpenTask {
  opened: Opened;
  log: OperationLog;
  readOnly: boolean;
}

function begin(opened: Opened): OpenTask {
  const { assignment, mine, operations } = opened.data;
  if (mine) takeBack(assignment.id);
  const log = new OperationLog(person.peek()!.id, assignment.id, operations, assignment.seq);
  if (log.recovered) say(`Edits recovered from this device: ${log.recovered}`);
  // Reviewers correct what has been submitted; nobody else changes a finished task.
  const readOnly = mine ? assignment.finished : !assignment.finished;
  return { opened, log, readOnly };
}

/** Opens an assignment; `task` is null while it loads. */
export function useTask(assignment: number): {
  task: OpenTask | null;
  share: number;
  error: string;
} {
  const [task, setTask] = useState<OpenTask | null>(null);
  const [share, setShare] = useState(0);
  const [error, setError] = useState("");
  useEffect(() => {
    let gone = false;
    let mine: OpenTask | null = null;
    openTask(assignment, (done) => !gone && setShare(done))
      .then((opened) => {
        if (gone) {
          closePictures(opened.pictures);
          return;
        }
        mine = begin(opened);
        setTask(mine);
      })
      .catch((problem: unknown) => {
        if (!gone) setError(errorText(problem));
      });
    return () => {
      gone = true;
      if (mine) {
        void mine.log.flush(); // what is left waits on this device
        closePictures(mine.opened.pictures);
      }
    };
  }, [assignment]);
  return { task, share, error };
}
