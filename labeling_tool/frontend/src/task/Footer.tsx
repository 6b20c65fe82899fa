// Below the work: what just happened, the reviewer's verdict, and what can be done with the task.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { post } from "../api";
import { keyOf } from "../keys";
import { Button, Dialog, Field, Link } from "../parts";
import { go, say, sayError } from "../session";
import type { TaskControl } from "./control";

interface FooterProps {
  control: TaskControl;
  status: string;
  children?: ComponentChildren;
}

export function TaskFooter({ control, status, children }: FooterProps) {
  return (
    <footer class="hintbar">
      <span role="status" aria-live="polite">
        {status}
      </span>
      {children}
      <span class="grow" />
      <Verdict control={control} />
      {control.isWork ? (
        <>
          <Button hint={keyOf("note")} kind="quiet" onClick={() => control.askNote()}>
            Comment
          </Button>
          <Button hint={keyOf("pause")} kind="quiet" onClick={() => void control.pause()}>
            Pause
          </Button>
          <Button hint={keyOf("skip")} kind="quiet" onClick={() => void control.release()}>
            Give back
          </Button>
        </>
      ) : null}
    </footer>
  );
}

/** The reviewer's verdict, under somebody else's work. */
function Verdict({ control }: { control: TaskControl }) {
  const { assignment, may_review, project } = control.data;
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  if (!may_review || !(assignment.finished || assignment.state === "returned")) return null;
  const decide = async (verdict: "approve" | "return"): Promise<void> => {
    try {
      await control.log.flush();
      // What is on the screen is decided about: the server refuses where there is more by now.
      const seq = control.log.lastSeq;
      await post(`/api/assignments/${assignment.id}/review`, { verdict, reason, seq });
      say(verdict === "approve" ? "Approved" : "Returned");
      go(`/projects/${project.id}`);
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <div class="row">
      <Button kind="primary" onClick={() => void decide("approve")}>
        Approve
      </Button>
      <Button onClick={() => setAsking(true)}>Return…</Button>
      <Link to={`/work/${assignment.id}/history`}>History</Link>
      {asking ? (
        <Dialog title="Return this task" onClose={() => setAsking(false)}>
          <Field label="What should be mended?">
            <textarea
              class="input"
              rows={4}
              value={reason}
              onInput={(e) => setReason(e.currentTarget.value)}
            />
          </Field>
          <div class="row end">
            <Button kind="primary" disabled={!reason.trim()} onClick={() => void decide("return")}>
              Return
            </Button>
          </div>
        </Dialog>
      ) : null}
    </div>
  );
}
