// A project's rules: what is shown to whom, for how long, and to how many.

import { useEffect, useState } from "preact/hooks";
import { get, patch, put } from "../../api";
import { Field, has, Input, ScrollBox, Search } from "../../parts";
import { isAdmin, say, sayError } from "../../session";
import { useSorted } from "../../tables";
import type { ProjectDetails, ProjectSettings } from "../../types";
import { Forbidden } from "../Problems";
import { Frame } from "./Frame";

interface Rule {
  id: keyof ProjectSettings;
  label: string;
  unit?: string;
  help: string;
  step: number;
  factor: number;
  min: number;
  max: number;
}

const SHARE = { unit: "%", step: 1, factor: 100, min: 0, max: 100 };
const COUNT = { step: 1, factor: 1, min: 0 };

const GROUPS: [string, Rule[]][] = [
  [
    "Who gets what",
    [
      {
        id: "overlap",
        label: "People a task",
        help: "Each labels it without seeing the others",
        ...COUNT,
        min: 1,
        max: 20,
      },
      {
        id: "random_fraction",
        label: "Random share",
        help: "Of the queue; the rest goes by expected gain",
        ...SHARE,
      },
      {
        id: "threshold",
        label: "Uncertain below",
        help: "The model's probability of what it says about a button",
        ...SHARE,
      },
      {
        id: "lease_s",
        label: "Lease",
        unit: "min",
        help: "Without a sign of life the task goes to somebody else",
        step: 0.5,
        factor: 1 / 60,
        min: 0.5,
        max: 1440,
      },
      {
        id: "pause_s",
        label: "Pause",
        unit: "h",
        help: "How long a paused task is kept",
        step: 1,
        factor: 1 / 3600,
        min: 1,
        max: 720,
      },
    ],
  ],
  [
    "Review and gold",
    [
      {
        id: "review_first",
        label: "Review all of the first",
        unit: "tasks",
        help: "Of each person, in the reviewers' queue",
        ...COUNT,
        max: 10_000,
      },
      {
        id: "review_share",
        label: "Then review",
        help: "Drawn by number, so that nobody chooses",
        ...SHARE,
      },
      {
        id: "gold_first",
        label: "Gold are the first",
        unit: "tasks",
        help: "Their answers are known, which nobody is told",
        ...COUNT,
        max: 1000,
      },
      { id: "gold_share", label: "Then gold", help: "Of everybody's later tasks", ...SHARE },
      {
        id: "qualify",
        label: "Right on gold for real work",
        help: "0: nobody has to qualify",
        ...SHARE,
      },
      {
        id: "hourly_cost",
        label: "Cost of an hour",
        help: "In your currency; 0: no cost is shown",
        step: 0.01,
        factor: 1,
        min: 0,
        max: 100_000,
      },
    ],
  ],
];

export function Rules({ id }: { id: number }) {
  if (!isAdmin()) return <Forbidden needs="the role admin" />;
  return (
    <Frame id={id} here="rules">
      {(project, load) => <Form project={project} onSaved={load} />}
    </Frame>
  );
}

function Form({ project, onSaved }: { project: ProjectDetails; onSaved: () => void }) {
  const [rules, setRules] = useState(project.settings);
  const [members, setMembers] = useState(new Map(project.members.map((m) => [m.id, m.role])));
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
  const flag = (id: "open_to_all" | "solo", label: string) => (
    <label class="inline">
      <input
        type="checkbox"
        checked={rules[id]}
        onChange={(e) => setRules({ ...rules, [id]: e.currentTarget.checked })}
      />{" "}
      {label}
    </label>
  );
  return (
    <form onSubmit={(event) => void save(event)}>
      {GROUPS.map(([name, group]) => (
        <section class="panel" key={name}>
          <h2>{name}</h2>
          <div class="rules">
            {group.map((rule) => (
              <Field label={rule.label} help={rule.help} key={rule.id}>
                <span class="with-unit">
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
                  {rule.unit}
                </span>
              </Field>
            ))}
          </div>
        </section>
      ))}
      <section class="panel">
        <h2>Instructions</h2>
        <Field label="Shown beside the work, at first sight and whenever they have changed">
          <textarea
            class="input"
            rows={3}
            maxLength={8000}
            value={rules.instructions}
            onInput={(e) => setRules({ ...rules, instructions: e.currentTarget.value })}
          />
        </Field>
      </section>
      <section class="panel">
        <div class="row wrap">
          <h2>People</h2>
          {flag("open_to_all", "open to every annotator")}
          {flag("solo", "one person labels and reviews")}
        </div>
        <Members members={members} onChange={setMembers} />
      </section>
      <div class="row save-bar">
        <button class="button primary" type="submit">
          Save rules
        </button>
      </div>
    </form>
  );
}

interface MembersProps {
  members: Map<number, string>;
  onChange: (members: Map<number, string>) => void;
}

/** Whose project it is where it is not open to all, and as what: members first, then by name. */
function Members({ members, onChange }: MembersProps) {
  const [users, setUsers] = useState<{ id: number; name: string; role: string }[]>([]);
  const [text, setText] = useState("");
  const [first, setFirst] = useState(new Set(members.keys()));
  useEffect(() => void get<typeof users>("/api/users").then(setUsers).catch(sayError), []);
  const people = users.filter((user) => user.role !== "admin"); // who are in every project
  const { sorted, head } = useSorted(
    people
      .filter((user) => has(`${user.name} ${user.role}`, text))
      .sort((a, b) => Number(first.has(b.id)) - Number(first.has(a.id))),
    [
      ["Member", (user) => user.name],
      ["Role in this project", (user) => members.get(user.id) || user.role],
    ],
  );
  const set = (id: number, role: string | null): void => {
    const next = new Map(members);
    if (role === null) next.delete(id);
    else next.set(id, role);
    onChange(next);
  };
  return (
    <>
      <div class="row wrap">
        <Search
          label="Search"
          text={text}
          onText={(wanted) => {
            setText(wanted);
            setFirst(new Set(members.keys())); // not at a click: rows would jump under the hand
          }}
        />
        <span class="muted">
          {members.size} of {people.length} are members
        </span>
      </div>
      <ScrollBox label="Members, and their role in this project">
        <table class="compact">
          {head}
          <tbody>
            {sorted.map((user) => (
              <tr key={user.id}>
                <td>
                  <label class="inline">
                    <input
                      type="checkbox"
                      checked={members.has(user.id)}
                      onChange={(e) => set(user.id, e.currentTarget.checked ? "" : null)}
                    />{" "}
                    {user.name}
                  </label>
                </td>
                <td>
                  {members.has(user.id) ? (
                    <select
                      class="input"
                      aria-label={`Role of ${user.name} in this project`}
                      value={members.get(user.id)}
                      onChange={(e) => set(user.id, e.currentTarget.value)}
                    >
                      <option value="">as everywhere: {user.role}</option>
                      {["annotator", "reviewer", "contractor"].map((role) => (
                        <option>{role}</option>
                      ))}
                    </select>
                  ) : (
                    <span class="muted">{user.role}</span>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollBox>
    </>
  );
}

/** A rule's value as it is kept; whole, where its steps are. */
const keptValue = ({ step, factor }: Rule, shown: number): number => {
  const value = shown / factor;
  return step / factor < 1 ? Math.round(value * 1e4) / 1e4 : Math.round(value);
};
