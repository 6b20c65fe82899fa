// A project's rules: what is shown to whom, for how long, and to how many.

import { useEffect, useState } from "preact/hooks";
import { get, patch, put } from "../../api";
import { Field, Input } from "../../parts";
import { say, sayError } from "../../session";
import type { ProjectDetails, ProjectSettings } from "../../types";

interface Rule {
  id: keyof ProjectSettings;
  label: string;
  help: string;
  step: number;
  factor: number;
  min: number;
  max: number;
}

const RULES: Rule[] = [
  {
    id: "overlap",
    label: "People a task",
    help: "Each labels it without seeing the others",
    step: 1,
    factor: 1,
    min: 1,
    max: 20,
  },
  {
    id: "random_fraction",
    label: "Random share, %",
    help: "Of the queue; the rest goes by expected gain",
    step: 1,
    factor: 100,
    min: 0,
    max: 100,
  },
  {
    id: "threshold",
    label: "Uncertain below, %",
    help: "The model's probability of what it says about a button",
    step: 1,
    factor: 100,
    min: 0,
    max: 100,
  },
  {
    id: "lease_s",
    label: "Lease, minutes",
    help: "Without a sign of life the task goes to somebody else",
    step: 0.5,
    factor: 1 / 60,
    min: 0.5,
    max: 1440,
  },
  {
    id: "pause_s",
    label: "Pause, hours",
    help: "How long a paused task is kept",
    step: 1,
    factor: 1 / 3600,
    min: 1,
    max: 720,
  },
  {
    id: "review_first",
    label: "Review all of the first",
    help: "So many first tasks of each person come into the reviewers' queue",
    factor: 1,
    step: 1,
    min: 0,
    max: 10_000,
  },
  {
    id: "review_share",
    label: "Then review this share, %",
    help: "Drawn by number, so that nobody chooses",
    factor: 100,
    step: 1,
    min: 0,
    max: 100,
  },
  {
    id: "gold_first",
    label: "First tasks that are gold",
    help: "Their answers are known, which nobody is told",
    factor: 1,
    step: 1,
    min: 0,
    max: 1000,
  },
  {
    id: "gold_share",
    label: "Then this share of gold, %",
    help: "Of everybody's later tasks",
    factor: 100,
    step: 1,
    min: 0,
    max: 100,
  },
  {
    id: "qualify",
    label: "Right on gold for real work, %",
    help: "0: nobody has to qualify",
    factor: 100,
    step: 1,
    min: 0,
    max: 100,
  },
  {
    id: "hourly_cost",
    label: "Cost of an hour",
    help: "In your currency; 0: no cost is shown",
    factor: 1,
    step: 0.01,
    min: 0,
    max: 100_000,
  },
];

export function Rules({ project, onSaved }: { project: ProjectDetails; onSaved: () => void }) {
  const [rules, setRules] = useState(project.settings);
  const [users, setUsers] = useState<{ id: number; name: string; role: string }[]>([]);
  const [members, setMembers] = useState(new Map(project.members.map((m) => [m.id, m.role])));
  useEffect(() => void get<typeof users>("/api/users").then(setUsers).catch(sayError), []);
  const save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    try {
      await patch(`/api/projects/${project.id}`, { settings: rules });
      await put(`/api/projects/${project.id}/members`, {
        users: [...members.keys()],
        roles: Object.fromEntries([...members].filter(([, role]) => role)),
      });
      say("Rules saved");
      onSaved();
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <section class="panel">
      <h2>Rules</h2>
      <form class="form" onSubmit={(event) => void save(event)}>
        {RULES.map((rule) => (
          <Field label={rule.label} help={rule.help}>
            <Input
              type="number"
              min={rule.min}
              max={rule.max}
              step={rule.step}
              value={Math.round((rules[rule.id] as number) * rule.factor * 100) / 100}
              onInput={(e) =>
                setRules({
                  ...rules,
                  [rule.id]: keptValue(rule, Number(e.currentTarget.value)),
                })
              }
            />
          </Field>
        ))}
        <Field
          label="Instructions"
          help="Shown beside the work, at first sight and whenever they have changed"
        >
          <textarea
            class="input"
            rows={3}
            maxLength={8000}
            value={rules.instructions}
            onInput={(e) => setRules({ ...rules, instructions: e.currentTarget.value })}
          />
        </Field>
        <label class="inline">
          <input
            type="checkbox"
            checked={rules.open_to_all}
            onChange={(e) => setRules({ ...rules, open_to_all: e.currentTarget.checked })}
          />{" "}
          open to every annotator
        </label>
        <label class="inline">
          <input
            type="checkbox"
            checked={rules.solo}
            onChange={(e) => setRules({ ...rules, solo: e.currentTarget.checked })}
          />{" "}
          one person labels and reviews
        </label>
        <fieldset>
          <legend>Members, and their role in this project</legend>
          {users
            .filter((user) => user.role !== "admin")
            .map((user) => (
              <div class="row">
                <label class="inline">
                  <input
                    type="checkbox"
                    checked={members.has(user.id)}
                    onChange={(e) => {
                      const next = new Map(members);
                      if (e.currentTarget.checked) next.set(user.id, "");
                      else next.delete(user.id);
                      setMembers(next);
                    }}
                  />{" "}
                  {user.name}
                </label>
                {members.has(user.id) ? (
                  <select
                    class="input"
                    aria-label={`Role of ${user.name} in this project`}
                    value={members.get(user.id)}
                    onChange={(e) =>
                      setMembers(new Map(members).set(user.id, e.currentTarget.value))
                    }
                  >
                    <option value="">as everywhere: {user.role}</option>
                    {["annotator", "reviewer", "contractor"].map((role) => (
                      <option>{role}</option>
                    ))}
                  </select>
                ) : null}
              </div>
            ))}
        </fieldset>
        <div class="row">
          <button class="button primary" type="submit">
            Save rules
          </button>
        </div>
      </form>
    </section>
  );
}

/** A rule's value as it is kept; whole, where its steps are. */
const keptValue = ({ step, factor }: Rule, shown: number): number => {
  const value = shown / factor;
  return step / factor < 1 ? Math.round(value * 1e4) / 1e4 : Math.round(value);
};
