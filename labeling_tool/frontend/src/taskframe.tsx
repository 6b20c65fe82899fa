// What both kinds of work share around a task: saving, leases, the next task, submission, notes, conflicts.

import type { ComponentChildren } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { ApiError, post } from "./api";
import { closePictures } from "./bundle";
import { commandsOf, keyName, keyOf, type Scope } from "./keys";
import { claimFirst, type Next, type Opened, openTask, prepareNext } from "./loading";
import { OperationLog } from "./oplog";
import { Button, ColourKey, Dialog, Field, Input, Key, Link, when } from "./parts";
import { go, guardLeaving, isStaff, person, say, useStore } from "./session";

export interface TaskState {
  opened: Opened;
  log: OperationLog;
  readOnly: boolean;
}

export interface TaskControl extends TaskState {
  next: Next | null;
  leaseLost: boolean;
  submit: () => Promise<void>;
  pause: () => Promise<void>;
  release: () => Promise<void>;
  before: () => void;
  reopen: () => Promise<void>;
  askNote: () => void;
  showHelp: () => void;
  dialogs: ComponentChildren;
  dialogOpen: boolean;
}

const BEAT_MS = 30_000;
const UNSEEN_MS = 500; // a second press of the key that opened this task is no decision about it
const ARMED_MS = 5000; // how long the second press counts as a yes

let submittedLast: number | null = null; // in this window: where Backspace leads

/** Opens an assignment; null while it loads. */
export function useTask(assignment: number): {
  state: TaskState | null;
  share: number;
  error: string;
} {
  const [state, setState] = useState<TaskState | null>(null);
  const [share, setShare] = useState(0);
  const [error, setError] = useState("");
  useEffect(() => {
    let gone = false;
    let mine: TaskState | null = null;
    setState(null);
    setError("");
    setShare(0);
    openTask(assignment, (done) => !gone && setShare(done))
      .then((opened) => {
        if (gone) return closePictures(opened.pictures);
        const log = new OperationLog(
          person.value!.id,
          assignment,
          opened.data.operations,
          opened.data.assignment.seq,
        );
        const { assignment: row, mine: own } = opened.data;
        const readOnly = own ? row.finished : !row.finished; // reviewers correct what has been submitted
        mine = { opened, log, readOnly };
        if (log.recovered) say(`${log.recovered} edits from this device recovered`);
        setState(mine);
        return undefined;
      })
      .catch((problem: unknown) => {
        if (!gone) setError(problem instanceof Error ? problem.message : String(problem));
      });
    return () => {
      gone = true;
      if (mine) {
        void mine.log.flush();
        closePictures(mine.opened.pictures);
      }
    };
  }, [assignment]);
  return { state, share, error };
}

export function useControl(state: TaskState, scope: Scope, onLabels: () => void): TaskControl {
  const { opened, log, readOnly } = state;
  const { data } = opened;
  const id = data.assignment.id;
  const [, update] = useReducer((n: number) => n + 1, 0);
  const [next, setNext] = useState<Next | null>(null);
  const [leaseLost, setLeaseLost] = useState(false);
  const [note, setNote] = useState<string | null>(null);
  const [help, setHelp] = useState(false);
  const releaseArmed = useRef(-Infinity);
  const openedAt = useRef(performance.now());
  const nextRef = useRef<Next | null>(null);
  nextRef.current = next;

  useEffect(() => {
    log.onChange = (labelsChanged) => {
      if (labelsChanged) onLabels();
      update(0);
    };
    guardLeaving(() => {
      void log.flush();
      return true;
    });
    const beforeUnload = (event: BeforeUnloadEvent): void => {
      if (log.pending.length) event.preventDefault(); // nothing would be lost, but it would wait for this device
    };
    window.addEventListener("beforeunload", beforeUnload);
    return () => {
      log.onChange = () => {};
      window.removeEventListener("beforeunload", beforeUnload);
    };
  }, [log]);

  useEffect(() => {
    if (readOnly || !data.mine) return;
    const beat = async (): Promise<void> => {
      const held = [id, ...(nextRef.current ? [nextRef.current.assignment] : [])];
      try {
        const states = await post<Record<string, string>>("/api/heartbeat", { assignments: held });
        setLeaseLost(states[id] === "lost");
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) setLeaseLost(true);
      }
    };
    const timer = window.setInterval(
      () => void beat(),
      Math.min(BEAT_MS, (data.project.lease_s * 1000) / 3),
    );
    prepareNext(data.project.id, id)
      .then(setNext)
      .catch(() => {}); // the next one is then opened when it is wanted
    return () => window.clearInterval(timer);
  }, [id]);

  const proceed = (): void => {
    guardLeaving(null);
    if (nextRef.current) go(`/work/${nextRef.current.assignment}`, true);
    else go("/");
  };
  const failing = (error: unknown): void =>
    say(error instanceof Error ? error.message : String(error), "bad");

  const goOn = async (): Promise<void> => {
    try {
      const following = await claimFirst(data.project.id);
      go(following === null || following === id ? "/" : `/work/${following}`);
    } catch (error) {
      failing(error);
    }
  };
  const submit = async (): Promise<void> => {
    if (!data.mine) return;
    if (readOnly) return goOn();
    if (performance.now() - openedAt.current < UNSEEN_MS) return;
    try {
      if (!(await log.flush())) {
        say(log.message || "Edits are still on their way; they are kept on this device.", "bad");
        return;
      }
      await post(`/api/assignments/${id}/submit`, { seq: log.lastSeq });
      if (data.project.practice) return go(`/tour/${id}`);
      submittedLast = id;
      say(`Submitted. ${keyName(keyOf("before"))} goes back to it.`);
      proceed();
    } catch (error) {
      failing(error);
    }
  };
  const act = (path: string, then: () => void) => async (): Promise<void> => {
    try {
      await log.flush();
      await post(`/api/assignments/${id}/${path}`);
      then();
    } catch (error) {
      failing(error);
    }
  };

  const release = async (): Promise<void> => {
    if (performance.now() - releaseArmed.current > ARMED_MS) {
      releaseArmed.current = performance.now();
      say("Press again to give this task back to the queue; what you did stays in its history.");
      return;
    }
    await act("release", proceed)();
  };
  const before = (): void => {
    if (submittedLast === null || submittedLast === id)
      say(
        "Nothing was submitted in this window before. Your last tasks are listed under Projects.",
      );
    else go(`/work/${submittedLast}`);
  };

  const dialogs = (
    <>
      {log.state === "conflict" ? <Conflict log={log} /> : null}
      {log.state === "login" ? <LoginAgain log={log} /> : null}
      {note !== null ? (
        <NoteDialog
          text={note}
          onDone={(text) => {
            if (text !== null && text !== note) log.push("note", { text });
            setNote(null);
          }}
        />
      ) : null}
      {help ? (
        <KeysDialog
          scope={scope}
          instructions={data.project.instructions}
          onClose={() => setHelp(false)}
        />
      ) : null}
    </>
  );
  return {
    ...state,
    next,
    leaseLost: leaseLost || log.leaseLost,
    submit,
    pause: act("pause", () => go("/")),
    release,
    before,
    reopen: act("reopen", () => location.reload()),
    askNote: () =>
      setNote([...log.all].reverse().find((op) => op.kind === "note")?.payload.text ?? ""),
    showHelp: () => setHelp(true),
    dialogs,
    dialogOpen: note !== null || help || log.state === "conflict" || log.state === "login",
  };
}

export function SaveState({ log }: { log: OperationLog }) {
  const waiting = log.pending.length;
  const texts: Record<string, string> = {
    saved: log.saved.length ? `All edits saved · ${log.saved.length}` : "Nothing changed yet",
    saving: "Saving…",
    offline: log.keptHere
      ? `Not connected: ${waiting} edits kept on this device`
      : `Not connected, and this browser keeps nothing: leave the page open (${waiting} edits)`,
    conflict: "Edited in another window",
    login: "Logged out: edits kept on this device",
    closed: "Submitted elsewhere: edits kept on this device",
    refused: `Not saved: ${log.message}`,
  };
  return (
    <span
      class={`save ${log.state}`}
      role="status"
      aria-live="polite"
      data-save={log.state}
      data-saved={log.saved.length}
    >
      <i aria-hidden="true" />
      {texts[log.state]}
    </span>
  );
}

export function TaskHeader({
  control,
  children,
}: {
  control: TaskControl;
  children?: ComponentChildren;
}) {
  const { data } = control.opened;
  return (
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
      {control.leaseLost ? (
        <span class="badge bad" role="alert">
          Your lease has ended; somebody else may get this task
        </span>
      ) : null}
      {!data.mine ? <span class="badge">by {data.person}</span> : null}
      <SaveState log={control.log} />
      <Button kind="quiet" hint={keyOf("help")} onClick={control.showHelp}>
        Keys
      </Button>
    </header>
  );
}

/** What was rendered from what: people must know when they judge a small or second-hand picture. */
function PictureNotice({ opened }: { opened: Opened }) {
  const { from, why, width } = opened.pictures;
  if (from === "source") return null;
  return (
    <p class="notice" role="note">
      {from === "preview"
        ? "The source is gone; these are the previews that were kept."
        : `The source is gone and no preview was kept: these are the dataset's own ${width}-pixel frames. Mark what you cannot tell as unsure.`}
      {why ? <small> ({why})</small> : null}
    </p>
  );
}

/** What must be known before the work is looked at, above it. */
export function Notices({ control }: { control: TaskControl }) {
  return (
    <section class="notices" aria-label="Notices">
      <StateNotice control={control} />
      <PictureNotice opened={control.opened} />
    </section>
  );
}

function StateNotice({ control }: { control: TaskControl }) {
  const { assignment, mine } = control.opened.data;
  if (assignment.state === "returned" && mine) {
    return (
      <p class="notice warn" role="note">
        <b>Returned by the reviewer:</b> {assignment.reason}
      </p>
    );
  }
  if (assignment.state === "submitted" && mine) {
    return (
      <p class="notice" role="note">
        Submitted. <Button onClick={() => void control.reopen()}>Reopen</Button>{" "}
        <Button hint={keyOf("submit")} onClick={() => void control.submit()}>
          Go on to the next
        </Button>
      </p>
    );
  }
  if (assignment.state === "approved" && mine) {
    return (
      <p class="notice" role="note">
        Approved by a reviewer.
      </p>
    );
  }
  return null;
}

/** The reviewer's verdict, under somebody else's work. */
export function Verdict({ control }: { control: TaskControl }) {
  const { assignment, mine } = control.opened.data;
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  if (mine || !isStaff()) return null;
  const decide = async (verdict: "approve" | "return"): Promise<void> => {
    try {
      await control.log.flush();
      await post(`/api/assignments/${assignment.id}/review`, { verdict, reason });
      say(verdict === "approve" ? "Approved" : "Returned");
      go(`/projects/${control.opened.data.project.id}`);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), "bad");
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
          <label class="field">
            <span>What should be mended?</span>
            <textarea
              class="input"
              rows={4}
              value={reason}
              onInput={(e) => setReason(e.currentTarget.value)}
            />
          </label>
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

function Conflict({ log }: { log: OperationLog }) {
  const last = log.missed[log.missed.length - 1];
  return (
    <Dialog title="Edited in another window">
      <p>
        This task got {log.missed.length} {log.missed.length === 1 ? "edit" : "edits"} from another
        window
        {last?.at_ms ? ` (last ${when(last.at_ms)})` : ""} that this one has not seen. Nothing was
        overwritten. Your {log.pending.length} unsaved{" "}
        {log.pending.length === 1 ? "edit is" : "edits are"} kept on this device.
      </p>
      <div class="row end">
        <Button onClick={() => log.takeTheirs()}>Take theirs, drop mine</Button>
        <Button kind="primary" id="keep-mine" onClick={() => log.keepMine()}>
          Put mine on top
        </Button>
      </div>
    </Dialog>
  );
}

function LoginAgain({ log }: { log: OperationLog }) {
  return (
    <Dialog title="Log in again">
      <p>
        Your session has ended. {log.pending.length} edits are kept on this device and are saved as
        soon as you are back.
      </p>
      <div class="row end">
        <Button
          kind="primary"
          onClick={() => location.assign(`/login?to=${encodeURIComponent(location.pathname)}`)}
        >
          Log in
        </Button>
      </div>
    </Dialog>
  );
}

function NoteDialog({ text, onDone }: { text: string; onDone: (text: string | null) => void }) {
  const [value, setValue] = useState(text);
  return (
    <Dialog title="Comment for the reviewer" onClose={() => onDone(null)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onDone(value);
        }}
      >
        <Field label="Comment">
          <Input
            autofocus
            maxLength={2000}
            value={value}
            onInput={(e) => setValue(e.currentTarget.value)}
          />
        </Field>
        <div class="row end">
          <button class="button primary" type="submit">
            Keep <Key k="Enter" />
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function KeysDialog({
  scope,
  instructions,
  onClose,
}: {
  scope: Scope;
  instructions?: string;
  onClose: () => void;
}) {
  const who = useStore(person);
  const groups = new Map<string, { id: string; label: string }[]>();
  for (const entry of commandsOf(scope))
    groups.set(entry.group, [...(groups.get(entry.group) ?? []), entry]);
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      {instructions ? <p class="instructions">{instructions}</p> : null}
      {who?.settings.single_keys === false ? (
        <p class="notice">Single-letter keys are switched off in your settings.</p>
      ) : null}
      <div class="keys">
        {[...groups].map(([group, entries]) => (
          <section>
            <h3>{group}</h3>
            <dl>
              {entries.map((entry) => (
                <div>
                  <dt>
                    <kbd>{keyName(keyOf(entry.id))}</kbd>
                  </dt>
                  <dd>{entry.label}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        {scope === "review" ? (
          <section>
            <h3>Colours</h3>
            <ColourKey />
          </section>
        ) : null}
        {scope === "review" ? (
          <section>
            <h3>Lanes</h3>
            <dl>
              <div>
                <dt>
                  <kbd>1</kbd>…<kbd>9</kbd> <kbd>0</kbd>
                </dt>
                <dd>Hold or release that lane (frame or selection)</dd>
              </div>
              <div>
                <dt>
                  <kbd>,</kbd> <kbd>.</kbd>
                </dt>
                <dd>Step, like the arrows (also in camera mode)</dd>
              </div>
            </dl>
            <p class="muted">
              With the mouse: drag in a lane to paint, drag in a curve to bend it, drag in the film
              strip to select, wheel to zoom.
            </p>
          </section>
        ) : null}
      </div>
      <p class="muted">
        Every key can be changed in <Link to="/settings">Settings</Link>.
      </p>
    </Dialog>
  );
}
