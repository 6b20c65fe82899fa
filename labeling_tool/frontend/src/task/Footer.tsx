// Below the work: what just happened, the reviewer's verdict, and what can be done with the task.

import type { ComponentChildren } from "preact";
import { keyOf } from "../keys";
import { Button, Link } from "../parts";
import type { TaskControl } from "./control";

interface FooterProps {
  control: TaskControl;
  /** How far the task is; what was just said stands in its place. */
  status: string;
  children?: ComponentChildren;
}

export function TaskFooter({ control, status, children }: FooterProps) {
  const notice = control.model.notice.value;
  return (
    <footer class="hintbar">
      <span role="status" aria-live="polite" class={notice ? "told" : ""}>
        {notice || status}
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
  const { verdicts } = control;
  if (!verdicts.isOffered) return null;
  return (
    <div class="row">
      <Button hint={keyOf("remark")} onClick={verdicts.commands.remark}>
        Remark
      </Button>
      <Button hint={keyOf("later")} kind="quiet" onClick={verdicts.commands.later}>
        Later
      </Button>
      <Link to={`/work/${control.data.assignment.id}/history`}>History</Link>
      <Button hint={keyOf("sendBack")} onClick={verdicts.commands.sendBack}>
        Return…
      </Button>
      {control.data.assignment.state === "approved" ? (
        <Button title="Its answer is known from now on" onClick={() => void verdicts.makeGold()}>
          Make gold
        </Button>
      ) : null}
      <Button kind="primary" hint={keyOf("approve")} onClick={verdicts.commands.approve}>
        Approve, next
      </Button>
    </div>
  );
}
