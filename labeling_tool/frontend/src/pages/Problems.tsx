// What is said where there is nothing to show: no such page, no right to it, or the server's words.

import { useEffect, useState } from "preact/hooks";
import { ApiError, get } from "../api";
import { Link } from "../parts";
import { errorText, person, sayError } from "../session";

export function NotFound({ what = "page" }: { what?: string }) {
  return (
    <Card title={`There is no such ${what}`}>
      <p>The address may be mistyped, or what it named has been taken away since.</p>
    </Card>
  );
}

export function Forbidden({ needs }: { needs: string }) {
  return (
    <Card title="This page is not for you">
      <p>
        It needs {needs}. You are logged in as {person.value?.name} ({person.value?.role}); an admin
        can change that.
      </p>
    </Card>
  );
}

function Card({ title, children }: { title: string; children: preact.ComponentChildren }) {
  return (
    <main class="card-page">
      <div class="card">
        <h1>{title}</h1>
        {children}
        <Link to="/" class="button primary">
          Back to the projects
        </Link>
      </div>
    </main>
  );
}

/** What a page shows instead of itself while or where it has nothing; null where it has all. */
export function Instead({ error, what }: { error: unknown; what: string }) {
  if (error instanceof ApiError && error.status === 404) return <NotFound what={what} />;
  if (error instanceof ApiError && error.status === 403)
    return <Forbidden needs={`a role as reviewer or admin in this ${what}`} />;
  if (error)
    return (
      <Card title="This cannot be shown now">
        <p role="alert">{errorText(error)}</p>
      </Card>
    );
  return <main class="page" aria-busy="true" />;
}

/** What an address answers, with the error where it refuses; `load` asks again. */
export function useLoaded<T>(path: string): { data: T | null; error: unknown; load: () => void } {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = (): void => void get<T>(path).then(setData).catch(setError);
  useEffect(load, [path]);
  return { data, error, load };
}

const LOOK_MS = 1000;

export const isUnfinished = ({ state }: { state: string }): boolean =>
  state === "queued" || state === "running";

/** A list of jobs of the server's, asked for again until all have ended; `load` asks at once. */
export function useJobs<T extends { state: string }>(
  path: string,
): {
  rows: T[];
  load: () => void;
} {
  const [rows, setRows] = useState<T[]>([]);
  const load = (): void => void get<T[]>(path).then(setRows).catch(sayError);
  useEffect(load, [path]);
  useEffect(() => {
    if (!rows.some(isUnfinished)) return;
    const timer = window.setTimeout(load, LOOK_MS);
    return () => window.clearTimeout(timer);
  }, [rows]);
  return { rows, load };
}
