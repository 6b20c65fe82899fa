// Sending a file so that what is cut short goes on: after a lost connection by itself, after a
// reload when the same file is chosen again.

import { ApiError, get, post, sendPart } from "./api";
import { forget, keep, kept, ownKey } from "./device";

interface Sent {
  upload: string;
  size: number;
  received: number;
  state: "arriving" | "stored" | "used" | "gone";
}

const AGAIN_MS = 2000; // a lost connection is tried again

/** What tells that a file is the one that was begun before: its bytes are not read for that. */
const keyOf = (project: number, file: File): string =>
  ownKey("upload", project, file.name, file.size, file.lastModified);

/** What cannot be read looks like a lost connection once it is being sent. */
async function requireReadable(file: File): Promise<void> {
  const first = await file
    .slice(0, 1)
    .arrayBuffer()
    .catch(() => null);
  if (!first?.byteLength)
    throw new Error(`${file.name} cannot be read: it is empty, a folder, or was changed since.`);
}

/** Where an earlier try got to; null where there is none that can go on. */
async function begun(key: string): Promise<Sent | null> {
  const upload = kept(key);
  if (!upload) return null;
  try {
    const sent = await get<Sent>(`/api/uploads/${upload}`);
    if (sent.state === "arriving" || sent.state === "stored") return sent;
  } catch (error) {
    if (!(error instanceof ApiError) || error.offline) throw error;
  }
  forget(key); // it has been imported, or swept away
  return null;
}

/**
 * Send a file to a project; the name of its upload. `onShare` is told how much is there, and that
 * the connection is lost by null.
 */
export async function sendFile(
  project: number,
  file: File,
  onShare: (share: number | null) => void,
): Promise<string> {
  const key = keyOf(project, file);
  for (;;) {
    await requireReadable(file);
    try {
      const sent =
        (await begun(key)) ??
        (await post<Sent>(`/api/projects/${project}/uploads`, { size: file.size }));
      keep(key, sent.upload);
      if (sent.state === "stored") return sent.upload;
      onShare(sent.received / file.size);
      const rest = file.slice(sent.received);
      await sendPart(`/api/uploads/${sent.upload}?start=${sent.received}`, rest, (bytes) =>
        onShare((sent.received + bytes) / file.size),
      );
    } catch (error) {
      if (!(error instanceof ApiError) || !passes(error)) throw error;
      onShare(null);
      await new Promise((resolve) => window.setTimeout(resolve, AGAIN_MS));
    }
  }
}

/**
 * Whether a refusal may pass: the server is away, or has not noticed that the last try ended. A
 * full disk is somebody's to clear: people are told.
 */
const passes = (error: ApiError): boolean =>
  error.offline ? error.error !== "disk" : ["busy", "elsewhere", "cut_short"].includes(error.error);
