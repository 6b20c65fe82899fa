// The dialogs over a task: a conflict, a lost session, the comment, the keys.

import { useState } from "preact/hooks";
import type { Scope } from "../keys";
import type { OperationLog } from "../oplog";
import { Button, ColorKey, Dialog, Field, Input, Key, KeyGroups, Link, when } from "../parts";
import { person } from "../session";
import type { TaskControl } from "./control";

export function TaskDialogs({ control, scope }: { control: TaskControl; scope: Scope }) {
  const { log, note, help } = control;
  return (
    <>
      {log.state.value === "conflict" ? <Conflict log={log} /> : null}
      {log.state.value === "login" ? <LoginAgain log={log} /> : null}
      {note.value !== null ? (
        <NoteDialog text={note.value} onDone={(text) => control.closeNote(text)} />
      ) : null}
      {help.value ? (
        <KeysDialog
          scope={scope}
          instructions={control.data.project.instructions}
          onClose={() => {
            help.value = false;
          }}
        />
      ) : null}
    </>
  );
}

function Conflict({ log }: { log: OperationLog }) {
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
        Your session has ended. {log.pending.value.length} edits are kept on this device and are
        saved as soon as you are back.
      </p>
      <div class="row end">
        <Button kind="primary" onClick={login}>
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

interface KeysProps {
  scope: Scope;
  instructions?: string;
  onClose: () => void;
}

function KeysDialog({ scope, instructions, onClose }: KeysProps) {
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      {instructions ? <p class="instructions">{instructions}</p> : null}
      {person.value?.settings.single_keys === false ? (
        <p class="notice">Single-letter keys are switched off in your settings.</p>
      ) : null}
      <div class="keys">
        <KeyGroups scope={scope} />
        {scope === "review" ? <ReviewKeys /> : null}
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
    </>
  );
}
