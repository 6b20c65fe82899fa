// The dialogs over a task: a conflict, a lost session, the comment, the keys.

import { useState } from "preact/hooks";
import type { Scope } from "../keys";
import { operationText } from "../operation_text";
import type { OperationLog } from "../oplog";
import { Palette } from "../Palette";
import { Button, ColorKey, Dialog, Field, Input, Key, KeyGroups, Link, when } from "../parts";
import { rangeText } from "../review/ranges";
import { person } from "../session";
import type { Operation, TaskData } from "../types";
import { commandEntries, type FindAction } from "./commands";
import type { TaskControl } from "./control";
import { Drawer } from "./Drawer";
import type { Verdicts } from "./verdicts";

interface DialogsProps {
  control: TaskControl;
  scope: Scope;
  find: FindAction;
}

export function TaskDialogs({ control, scope, find }: DialogsProps) {
  const { log, note, help, verdicts } = control;
  return (
    <>
      {log.state.value === "conflict" ? (
        <Conflict log={log} project={control.data.project} />
      ) : null}
      {log.state.value === "login" ? <LoginAgain log={log} /> : null}
      {note.value !== null ? (
        <TextDialog
          title="Comment for the reviewer"
          label="Comment"
          text={note.value}
          most={2000}
          onDone={(text) => control.closeNote(text)}
        />
      ) : null}
      {verdicts.dialog.value === "return" ? <ReturnDialog verdicts={verdicts} /> : null}
      {verdicts.dialog.value === "remark" ? (
        <TextDialog
          title={`Remark on frame ${rangeText(control.model.target)}`}
          label="What is to be mended?"
          text=""
          most={500}
          onDone={(text) => verdicts.remark(text ?? "")}
        />
      ) : null}
      {control.palette.value ? (
        <Palette
          entries={commandEntries(scope, control, find)}
          onClose={() => {
            control.palette.value = false;
          }}
        />
      ) : null}
      <Drawer control={control} />
      {help.value ? (
        <KeysDialog
          scope={scope}
          isReview={verdicts.isOffered}
          instructions={control.data.project.instructions}
          onClose={() => {
            help.value = false;
          }}
        />
      ) : null}
    </>
  );
}

const SHOWN = 5; // of each side's edits: enough to know which piece of work it is

/** What edits of one side of a conflict did, the last ones first. */
function Edits({ of, whose, log, project }: EditsProps) {
  if (!of.length) return null;
  const known = [...log.saved.value, ...log.missed.value, ...log.pending.value];
  const more = of.length - SHOWN;
  return (
    <section>
      <h3>{whose}</h3>
      <ul>
        {of
          .slice(-SHOWN)
          .reverse()
          .map((op) => (
            <li key={op.id}>{operationText(op, project, known)}</li>
          ))}
        {more > 0 ? <li class="muted">and {more} before</li> : null}
      </ul>
    </section>
  );
}

interface EditsProps {
  of: Operation[];
  whose: string;
  log: OperationLog;
  project: TaskData["project"];
}

function Conflict({ log, project }: { log: OperationLog; project: TaskData["project"] }) {
  const missed = log.missed.value;
  const waiting = log.pending.value.length;
  const last = missed[missed.length - 1];
  return (
    <Dialog title="Edited in another window">
      <p>
        This task got {missed.length} {missed.length === 1 ? "edit" : "edits"} from another window
        {last?.at_ms ? ` (last ${when(last.at_ms)})` : ""} that this one has not seen. Nothing was
        overwritten. Your {waiting} unsaved {waiting === 1 ? "edit is" : "edits are"} kept on this
        device.
      </p>
      <Edits of={missed} whose="Theirs" log={log} project={project} />
      <Edits of={log.pending.value} whose="Yours" log={log} project={project} />
      <div class="row end">
        <Button onClick={() => log.takeTheirs()}>Take theirs, drop mine</Button>
        {/* It opens by itself, under fingers that press Enter all day: that must lose nothing. */}
        <Button kind="primary" id="keep-mine" isDefault onClick={() => log.keepMine()}>
          Put mine on top
        </Button>
      </div>
    </Dialog>
  );
}

function LoginAgain({ log }: { log: OperationLog }) {
  const login = (): void => location.assign(`/login?to=${encodeURIComponent(location.pathname)}`);
  return (
    <Dialog title="Log in again">
      <p>
        Your session has ended. Your edits ({log.pending.value.length}) are kept on this device and
        are saved as soon as you are back.
      </p>
      <div class="row end">
        <Button kind="primary" onClick={login}>
          Log in
        </Button>
      </div>
    </Dialog>
  );
}

interface TextProps {
  title: string;
  label: string;
  text: string;
  most: number;
  /** What was typed; null where the dialog was closed. */
  onDone: (text: string | null) => void;
}

/** A line of text, kept by Enter. */
function TextDialog({ title, label, text, most, onDone }: TextProps) {
  const [value, setValue] = useState(text);
  return (
    <Dialog title={title} onClose={() => onDone(null)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onDone(value);
        }}
      >
        <Field label={label}>
          <Input
            autofocus
            maxLength={most}
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

/** Why a task is returned: the remarks, or what its reviewer writes instead. */
function ReturnDialog({ verdicts }: { verdicts: Verdicts }) {
  const [reason, setReason] = useState(verdicts.reason);
  const close = (): void => {
    verdicts.dialog.value = null;
  };
  const send = (): void => {
    close();
    void verdicts.decide("return", reason);
  };
  return (
    <Dialog title="Return this task" onClose={close}>
      <Field label="What should be mended?">
        <textarea
          class="input"
          rows={4}
          maxLength={2000}
          value={reason}
          onInput={(e) => setReason(e.currentTarget.value)}
        />
      </Field>
      <div class="row end">
        <Button kind="primary" isDefault={reason !== ""} disabled={!reason.trim()} onClick={send}>
          Return
        </Button>
      </div>
    </Dialog>
  );
}

interface KeysProps {
  scope: Scope;
  isReview: boolean;
  instructions?: string;
  onClose: () => void;
}

function KeysDialog({ scope, isReview, instructions, onClose }: KeysProps) {
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      {instructions ? (
        <p class="instructions" translate>
          {instructions}
        </p>
      ) : null}
      {person.value?.settings.single_keys === false ? (
        <p class="notice">Single-letter keys are switched off in your settings.</p>
      ) : null}
      <div class="keys">
        {scope === "review" ? <ReviewKeys /> : null}
        {isReview ? <KeyGroups scope="verdict" /> : null}
        <KeyGroups scope={scope} />
      </div>
      <p class="muted">
        Every key can be changed in <Link to="/settings">Settings</Link>.
      </p>
    </Dialog>
  );
}

function ReviewKeys() {
  return (
    <>
      <section>
        <h3>Colours</h3>
        <ColorKey />
      </section>
      <section>
        <h3>Lanes</h3>
        <dl>
          <div>
            <dt>
              <kbd>1</kbd>…<kbd>9</kbd> <kbd>0</kbd>
            </dt>
            <dd>Hold or release that lane (frame or selection); in a loop: take its press</dd>
          </div>
          <div>
            <dt>
              <kbd>,</kbd> <kbd>.</kbd>
            </dt>
            <dd>Step (also in camera mode); with a press in hand: move its edge</dd>
          </div>
        </dl>
        <p class="muted">
          With the mouse: drag a press, or an edge of it (with Alt a copy); drag over nothing to
          hold; drag in a curve to bend it, in the film strip to select; wheel to zoom.
        </p>
      </section>
    </>
  );
}
