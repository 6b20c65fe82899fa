// Submissions that wait for the server: whoever is cut off goes on with the task that is ready, and
// what was submitted meanwhile goes out, after its edits, as soon as the server is back.

import { ApiError, post } from "../api";
import { forget, keep, kept, keptKeys, ownKey } from "../device";
import { sendLeftOver } from "../oplog";
import { person, say } from "../session";

const NAME = "submission";
const TRY_MS = 5000;

const keyOf = (assignment: number): string => ownKey(NAME, assignment);
const waiting = (): string[] => keptKeys(`${ownKey(NAME)}.`);

/** Submit later what then has so many edits; false where this browser cannot keep that. */
export const submitLater = (assignment: number, seq: number): boolean =>
  keep(keyOf(assignment), String(seq));

/** Somebody goes on with the task: they submit it when they are done. */
export const takeBack = (assignment: number): void => forget(keyOf(assignment));

let sending = false;

/** Send what waits, where the server is there. */
export async function sendLater(): Promise<void> {
  if (sending || !person.value || !waiting().length) return;
  sending = true;
  try {
    await sendLeftOver(person.value.id);
    for (const key of waiting()) await submit(key);
  } catch {
    // not yet: it is tried again
  } finally {
    sending = false;
  }
}

async function submit(key: string): Promise<void> {
  const assignment = Number(key.split(".").at(-1));
  try {
    await post(`/api/assignments/${assignment}/submit`, { seq: Number(kept(key)) });
    say("Connected again: what you submitted has arrived.");
  } catch (error) {
    if (!(error instanceof ApiError) || error.offline || error.status === 401) throw error;
    // Something else has happened to it meanwhile: a person has to look.
    say(`A task could not be submitted: ${error.message} It waits under Projects.`, "bad");
  }
  forget(key);
}

/** Try again now and then, and when the browser says that it is connected; returns how to stop. */
export function watchConnection(): () => void {
  const send = (): void => void sendLater();
  send();
  window.addEventListener("online", send);
  const timer = window.setInterval(send, TRY_MS);
  return () => {
    window.removeEventListener("online", send);
    window.clearInterval(timer);
  };
}
