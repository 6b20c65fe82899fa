// Everything that can be done, to search in: what is typed narrows it, Enter does the first.

import { useState } from "preact/hooks";
import { Dialog, Input, Key } from "./parts";

export interface Entry {
  label: string;
  hint?: string;
  run: () => void;
}

const MOST = 12; // entries in view

/** Whether a label has all words that were typed, in any order. */
const fits = (label: string, typed: string): boolean =>
  typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => label.toLowerCase().includes(word));

export function Palette({ entries, onClose }: { entries: Entry[]; onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const found = entries.filter((entry) => fits(entry.label, typed)).slice(0, MOST);
  const run = (entry: Entry | undefined): void => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step) setAt((at + step + found.length) % Math.max(1, found.length));
    else if (event.key === "Enter") run(found[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Do what?" onClose={onClose}>
      <Input
        autofocus
        aria-label="Search commands"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length ? `palette-${at}` : undefined}
        value={typed}
        onKeyDown={onKeyDown}
        onInput={(e) => {
          setTyped(e.currentTarget.value);
          setAt(0);
        }}
      />
      <div class="palette" id="palette-list" role="listbox" aria-label="Commands">
        {found.map((entry, i) => (
          <div
            key={entry.label}
            id={`palette-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === at}
            onClick={() => run(entry)}
            onKeyDown={onKeyDown}
          >
            <span>{entry.label}</span>
            {entry.hint ? <Key k={entry.hint} /> : null}
          </div>
        ))}
        {found.length ? null : <p class="muted">Nothing of that name.</p>}
      </div>
    </Dialog>
  );
}
