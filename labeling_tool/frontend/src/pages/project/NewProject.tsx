// Making a project that is filled by uploads.

import { useState } from "preact/hooks";
import { post } from "../../api";
import { Field, formValues, Input } from "../../parts";
import { go, sayError } from "../../session";
import type { ProjectRow } from "../../types";

// As they come with vidact, the most used first; the server has the last word.
const SPECS = [
  ...["doom", "minecraft", "crafter", "doom-classic", "luanti"],
  ...["desktop", "desktop_pointer", "gamepad", "twin_stick"],
];

export function NewProject() {
  const [kind, setKind] = useState<"actions" | "clean">("clean");
  const add = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const values = formValues(event);
    try {
      const made = await post<ProjectRow>("/api/projects", {
        name: values.name,
        kind,
        spec: kind === "actions" ? values.spec : null,
      });
      go(`/projects/${made.id}`);
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <main class="page narrow">
      <h1>New project</h1>
      <form class="form" onSubmit={(event) => void add(event)}>
        <Field label="Name">
          <Input name="name" required maxLength={120} />
        </Field>
        <Field label="Kind of work">
          <select
            class="input"
            value={kind}
            onChange={(e) => setKind(e.currentTarget.value as "actions" | "clean")}
          >
            <option value="clean">Clean or not: frames of videos</option>
            <option value="actions">Action review: recordings</option>
          </select>
        </Field>
        {kind === "actions" ? (
          <Field label="Action spec">
            <select class="input" name="spec">
              {SPECS.map((spec) => (
                <option>{spec}</option>
              ))}
            </select>
          </Field>
        ) : null}
        <div class="row">
          <button class="button primary" type="submit">
            Make it
          </button>
        </div>
      </form>
      <p class="muted">
        A labelled dataset is opened by whoever starts the server:{" "}
        <code>vidact serve DATA --review DATASET</code>
      </p>
    </main>
  );
}
