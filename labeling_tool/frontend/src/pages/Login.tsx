// The first run, and logging in.

import { useEffect, useState } from "preact/hooks";
import { post } from "../api";
import { Brand } from "../icons";
import { Field, formValues, Input } from "../parts";
import { errorText, go, signIn } from "../session";
import type { Person } from "../types";
import { TOUR_DONE } from "./Tour";

const WHAT = "Which keys were pressed in a video, corrected by people.";

function useForm(send: (values: Record<string, string>) => Promise<void>) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const values = formValues(event); // before anything is awaited: then the form is gone
    setBusy(true);
    setError("");
    try {
      await send(values);
    } catch (problem) {
      setError(errorText(problem));
      setBusy(false); // only here: where it succeeds, the form is gone
    }
  };
  return { error, busy, submit };
}

function Problem({ text }: { text: string }) {
  return (
    <p class="problem" role="alert">
      {text}
    </p>
  );
}

export function Setup({ codeNeeded }: { codeNeeded: boolean }) {
  const { error, busy, submit } = useForm(async (values) => {
    if (values.password !== values.again) throw new Error("The two passwords differ.");
    signIn(
      await post<Person>("/api/setup", {
        name: values.name,
        password: values.password,
        code: values.code ?? "",
      }),
    );
    go("/tour", true);
  });
  return (
    <main class="card-page">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <h1 class="brand">
          <Brand size={30} />
        </h1>
        <p class="muted">{WHAT}</p>
        <p class="muted">The first account is the admin's. Everybody else gets theirs from you.</p>
        <Field label="Name">
          <Input name="name" required maxLength={64} autocomplete="username" autofocus />
        </Field>
        <NewPassword help="At least 10 characters" />
        {codeNeeded ? (
          <Field label="Code" help="It stands in the terminal where the server was started">
            <Input name="code" required />
          </Field>
        ) : null}
        {error ? <Problem text={error} /> : null}
        <button class="button primary" type="submit" disabled={busy}>
          Make the admin
        </button>
      </form>
    </main>
  );
}

/** A password that is chosen, typed twice. */
function NewPassword({ help }: { help: string }) {
  return (
    <>
      <Field label="Password" help={help}>
        <Input
          name="password"
          type="password"
          required
          minLength={10}
          autocomplete="new-password"
        />
      </Field>
      <Field label="Password again">
        <Input name="again" type="password" required minLength={10} autocomplete="new-password" />
      </Field>
    </>
  );
}

/** Choosing a password by a link: an invitation, or because one was forgotten. */
export function Invited() {
  const [name, setName] = useState("");
  const token = location.hash.slice(1);
  const { error, busy, submit } = useForm(async (values) => {
    if (values.password !== values.again) throw new Error("The two passwords differ.");
    signIn(await post<Person>("/api/welcome", { token, password: values.password }));
    go("/", true);
  });
  const [problem, setProblem] = useState("");
  useEffect(() => {
    post<{ name: string }>("/api/welcome", { token })
      .then((found) => setName(found.name))
      .catch((failure: unknown) => setProblem(errorText(failure)));
  }, [token]);
  return (
    <main class="card-page">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <h1 class="brand">
          <Brand size={30} />
        </h1>
        {name ? <p>Welcome, {name}.</p> : null}
        {problem ? <Problem text={problem} /> : <p class="muted">Choose your password.</p>}
        <NewPassword help="At least 10 characters, and none that is easily guessed" />
        {error ? <Problem text={error} /> : null}
        <button class="button primary" type="submit" disabled={busy || !name}>
          Set the password
        </button>
      </form>
    </main>
  );
}

const STARTS = ["/", "/login", "/setup"]; // from which one goes where the day begins

export function Login() {
  const { error, busy, submit } = useForm(async (values) => {
    const who = await post<Person>("/api/login", { name: values.name, password: values.password });
    signIn(who);
    const to = new URLSearchParams(location.search).get("to") ?? location.pathname;
    if (to.startsWith("/") && !to.startsWith("//") && !STARTS.includes(to)) go(to, true);
    else
      go((who.settings.tour ?? 0) < TOUR_DONE && who.role !== "contractor" ? "/tour" : "/", true);
  });
  return (
    <main class="card-page">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <h1 class="brand">
          <Brand size={30} />
        </h1>
        <p class="muted">{WHAT}</p>
        <Field label="Name">
          <Input name="name" required maxLength={64} autocomplete="username" autofocus />
        </Field>
        <Field label="Password">
          <Input name="password" type="password" required autocomplete="current-password" />
        </Field>
        {error ? <Problem text={error} /> : null}
        <button class="button primary" type="submit" disabled={busy}>
          Log in
        </button>
      </form>
    </main>
  );
}
