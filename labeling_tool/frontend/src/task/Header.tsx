// Above the work: whose task it is, whether its edits are saved, and what must be known beforehand.

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Pictures } from "../bundle";
import { keyOf } from "../keys";
import type { OperationLog, SaveState as State } from "../oplog";
import { Button, Link } from "../parts";
import { rangeText } from "../review/ranges";
import type { TaskControl } from "./control";
import { today } from "./day";
import type { TaskModel } from "./model";

interface HeaderProps {
  control: TaskControl;
  children?: ComponentChildren;
}

export function TaskHeader({ control, children }: HeaderProps) {
  const { data } = control;
  useEffect(() => {
    // Several tasks in several tabs are told apart.
    document.title = `Task ${data.task.id} · ${data.project.name} · vidact`;
    return () => {
      document.title = "vidact";
    };
  }, [data]);
  return (
    <>
      <header class="taskbar">
        <Link to="/" class="brand">
          vidact
        </Link>
        <h1 class="crumb">{data.project.name}</h1>
        <span class="muted clip" title={data.task.source}>
          {data.task.source}
        </span>
        {children}
        <span class="grow" />
        {control.leaseLost.value ? (
          <span class="badge bad" role="alert">
            Your lease has ended; somebody else may get this task
          </span>
        ) : null}
        {!data.mine ? <span class="badge">by {data.person}</span> : null}
        {control.isWork && today.value !== null && !data.project.practice ? (
          <span class="muted today" data-today={today.value}>
            {today.value} today
          </span>
        ) : null}
        <SaveState log={control.log} />
        {data.project.instructions ? (
          <Button
            kind="quiet"
            hint={keyOf("instructions")}
            pressed={control.drawer.value}
            onClick={() => control.toggleDrawer()}
          >
            Instructions
          </Button>
        ) : null}
        <Button
          kind="quiet"
          hint={keyOf("help")}
          onClick={() => {
            control.help.value = true;
          }}
        >
          Keys
        </Button>
      </header>
      <section class="notices" aria-label="Notices">
        <StateNotice control={control} />
        <Remarks model={control.model} />
        <PictureNotice pictures={control.pictures} />
      </section>
    </>
  );
}

function SaveState({ log }: { log: OperationLog }) {
  const state = log.state.value;
  const saved = log.saved.value.length;
  const waiting = log.pending.value.length;
  const texts: Record<State, string> = {
    saved: saved ? `All edits saved · ${saved}` : "Nothing changed yet",
    saving: "Saving…",
    offline: log.keptHere.value
      ? `Not connected: ${waiting} edits kept on this device`
      : `Not connected, and this browser keeps nothing: leave the page open (${waiting} edits)`,
    conflict: "Edited in another window",
    login: "Logged out: edits kept on this device",
    closed: "Submitted elsewhere: edits kept on this device",
    refused: `Not saved: ${log.message.value}`,
  };
  return (
    <span
      class={`save ${state}`}
      role="status"
      aria-live="polite"
      data-save={state}
      data-saved={saved}
    >
      <i aria-hidden="true" />
      {texts[state]}
    </span>
  );
}

/** What was rendered from what: people must know when they judge a small or second-hand picture. */
function PictureNotice({ pictures: { from, why, width } }: { pictures: Pictures }) {
  if (from === "source") return null;
  return (
    <p class="notice" role="note">
      {from === "preview"
        ? "The source is gone; these are the previews that were kept."
        : "The source is gone and no preview was kept: these are the dataset's own " +
          `${width}-pixel frames. Mark what you cannot tell as unsure.`}
      {why ? <small> ({why})</small> : null}
    </p>
  );
}

/** What was said about frames; each leads to them. */
function Remarks({ model }: { model: TaskModel }) {
  const remarks = model.remarks.value;
  if (!remarks.length) return null;
  return (
    <ul class="remarks" aria-label="Remarks">
      {remarks.map((remark) => (
        <li key={remark.id}>
          <Button kind="quiet" onClick={() => model.seek(remark.start)}>
            <b>{rangeText(remark)}</b> {remark.text}
          </Button>
        </li>
      ))}
    </ul>
  );
}

function StateNotice({ control }: { control: TaskControl }) {
  const { assignment, mine } = control.data;
  if (!mine) return null;
  switch (assignment.state) {
    case "returned":
      return (
        <p class="notice warn" role="note">
          <b>Returned by the reviewer:</b> {assignment.reason}
        </p>
      );
    case "submitted":
      return (
        <p class="notice" role="note">
          Submitted.{" "}
          <Button hint={keyOf("before")} onClick={() => void control.reopen()}>
            Reopen
          </Button>{" "}
          <Button hint={keyOf("submit")} onClick={() => void control.submit()}>
            Go on to the next
          </Button>
        </p>
      );
    case "approved":
      return (
        <p class="notice" role="note">
          Approved by a reviewer.
        </p>
      );
    default:
      return null;
  }
}
