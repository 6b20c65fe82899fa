// Small parts that every page uses.

import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { commandsOf, keyName, keyOf, type Scope } from "./keys";
import { go } from "./session";

export function Key({ k }: { k: string }) {
  return <kbd aria-hidden="true">{keyName(k)}</kbd>;
}

interface ButtonProps {
  onClick: (event: MouseEvent) => void;
  children: ComponentChildren;
  hint?: string;
  kind?: "plain" | "primary" | "danger" | "quiet";
  disabled?: boolean;
  pressed?: boolean;
  title?: string;
  id?: string;
  class?: string;
  /** What Enter does in the dialog that the button is in. */
  isDefault?: boolean;
}

/** A button with its key on it. A click by mouse takes its focus away: Space stays the page's. */
export function Button({
  onClick,
  children,
  hint,
  kind = "plain",
  disabled,
  pressed,
  title,
  id,
  class: extra,
  isDefault,
}: ButtonProps) {
  const click = (event: MouseEvent): void => {
    if (event.detail > 0) (event.currentTarget as HTMLElement).blur();
    onClick(event);
  };
  return (
    <button
      type="button"
      id={id}
      class={`button ${kind} ${extra ?? ""}`}
      onClick={click}
      disabled={disabled}
      aria-pressed={pressed}
      data-default={isDefault}
      aria-keyshortcuts={hint ? keyName(hint) : undefined}
      title={title}
    >
      {children}
      {hint ? <Key k={hint} /> : null}
    </button>
  );
}

export function Link({
  to,
  children,
  current,
  class: extra,
}: {
  to: string;
  children: ComponentChildren;
  current?: boolean;
  class?: string;
}) {
  const click = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={to} onClick={click} aria-current={current ? "page" : undefined} class={extra}>
      {children}
    </a>
  );
}

interface FieldProps {
  label: string;
  children?: ComponentChildren;
  help?: string;
}

export function Field({ label, children, help }: FieldProps) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is among the children.
    <label class="field">
      <span>{label}</span>
      {children}
      {help ? <small>{help}</small> : null}
    </label>
  );
}

export function Input(props: JSX.IntrinsicElements["input"]) {
  const ref = useRef<HTMLInputElement>(null);
  // At once, as the dialog below: what is typed right after the key that opened it belongs into it.
  // By hand, as the browser heeds the attribute only in a page that it loads.
  useLayoutEffect(() => {
    if (props.autofocus) ref.current?.focus();
  }, []);
  return <input class="input" autocomplete="off" {...props} ref={ref} />;
}

/** A pause in typing, after which is searched. */
export const TYPING_MS = 250;

interface SearchProps {
  label: string;
  text: string;
  onText: (text: string) => void;
}

/** A field that narrows what a table shows. */
export function Search({ label, text, onText }: SearchProps) {
  return (
    <label class="inline">
      {label}{" "}
      <input
        class="input"
        type="search"
        maxLength={200}
        value={text}
        onInput={(e) => onText(e.currentTarget.value)}
      />
    </label>
  );
}

/** What is longer than its place scrolls in it, by keys too. */
export function ScrollBox({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: else nobody scrolls it without a mouse.
    <section class="scroll" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}

export function Bar({
  share,
  label,
  tone = "accent",
}: {
  share: number;
  label: string;
  tone?: "accent" | "held";
}) {
  const percent = Math.round(100 * Math.min(1, Math.max(0, share)));
  return (
    <div
      class={`bar ${tone}`}
      role="progressbar"
      aria-label={label}
      aria-valuenow={percent}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <span style={{ width: `${percent}%` }} />
    </div>
  );
}

interface DialogProps {
  title: string;
  onClose?: () => void;
  children: ComponentChildren;
  wide?: boolean;
}

export function Dialog({ title, onClose, children, wide }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = ref.current!;
    const before = document.activeElement as HTMLElement | null;
    if (!dialog.open) dialog.showModal();
    dialog.querySelector<HTMLElement>("[data-default]")?.focus();
    return () => {
      dialog.close();
      window.setTimeout(() => before?.isConnected && before.focus({ preventScroll: true }));
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={wide ? "wide" : ""}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
    >
      <div class="dialog-head">
        <h2>{title}</h2>
        {onClose ? (
          <Button kind="quiet" hint="Escape" onClick={onClose}>
            Close
          </Button>
        ) : null}
      </div>
      {children}
    </dialog>
  );
}

/** The commands of a kind of work with their keys, a section per group. */
export function KeyGroups({ scope }: { scope: Scope }) {
  const commands = commandsOf(scope);
  return [...new Set(commands.map((command) => command.group))].map((group) => (
    <section key={group}>
      <h3>{group}</h3>
      <dl>
        {commands
          .filter((command) => command.group === group)
          .map(({ id, label }) => (
            <div key={id}>
              <dt>
                <kbd>{keyName(keyOf(id))}</kbd>
              </dt>
              <dd>{label}</dd>
            </div>
          ))}
      </dl>
    </section>
  ));
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** How long ago a moment was, in words, with the moment itself to point at. */
export function Ago({ ms }: { ms: number | null }) {
  if (!ms) return <span class="muted">never</span>;
  const seconds = Math.max(0, (Date.now() - ms) / 1000);
  const text = seconds < 60 ? "just now" : `${duration(seconds)} ago`;
  return <time title={when(ms)}>{text}</time>;
}

export function day(ms: number): string {
  return new Date(ms).toLocaleDateString(undefined, { dateStyle: "medium" });
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function bytesText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${value.toFixed(power && value < 10 ? 1 : 0)} ${UNITS[power]}`;
}

/** Whether a text has what somebody looks for in it. */
export const has = (text: string, wanted: string): boolean =>
  text.toLowerCase().includes(wanted.trim().toLowerCase());

export function when(ms: number | null): string {
  if (!ms) return "–";
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** What a form holds, by the names of its fields. */
export function formValues(event: SubmitEvent): Record<string, string> {
  const form = event.currentTarget as HTMLFormElement;
  return Object.fromEntries(new FormData(form)) as Record<string, string>;
}

/** What the timeline's colors and shapes mean. */
export function ColorKey() {
  const entries: [string, string][] = [
    ["ghost", "grey, as tall as it is likely: what the model thinks"],
    ["held", "green: held, and the model said so"],
    ["added", "striped orange: held, because somebody said so"],
    ["removed", "orange outline: the model said held, somebody released it"],
    [
      "doubt",
      "violet along a lane: the model was unsure about it; above the lanes: about any of them, " +
        "green once accepted, grey once marked as not to tell",
    ],
    ["correction", "blue below: changed by somebody else than its annotator"],
    ["answer", "blue inside a lane: another person's answer differs here"],
    ["remark", "pink triangle in the ruler: a remark on that frame"],
    ["clash", "crossed out in red: held together with a button that excludes it"],
    ["novalue", "struck through in red: no label here"],
  ];
  return (
    <ul class="colourkey">
      {entries.map(([kind, text]) => (
        <li>
          <i class={kind} aria-hidden="true" /> {text}
        </li>
      ))}
    </ul>
  );
}
