// Requests to the server: JSON in and out, the CSRF token on everything that changes something.

import type { Operation } from "./types";

let csrf = "";

export function setCsrf(token: string): void {
  csrf = token;
}

/** What the server sends with a refusal; `operations` are those that a conflict is about. */
interface Refusal {
  error?: string;
  message?: string;
  operations?: Operation[];
}

/** A refusal, with the server's word and sentence; status 0 when it could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly error: string,
    message: string,
    readonly body: Refusal = {},
  ) {
    super(message);
  }

  /** Whether it may pass by itself: 502 and above are a proxy's words for a server that is away. */
  get offline(): boolean {
    return this.status === 0 || this.status >= 502;
  }
}

const refused = (status: number, answer: Refusal): ApiError =>
  new ApiError(
    status,
    answer.error ?? "http",
    answer.message ?? `The server says ${status}.`,
    answer,
  );

const unreachable = (): ApiError => new ApiError(0, "offline", "The server cannot be reached.");

async function request(
  method: string,
  path: string,
  body?: unknown,
  init: RequestInit = {},
): Promise<Response> {
  const headers: Record<string, string> = {};
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  let payload: BodyInit | undefined;
  if (body instanceof Blob) payload = body;
  else if (body !== undefined) {
    headers["content-type"] = "application/json";
    payload = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: payload,
      credentials: "same-origin",
      ...init,
    });
  } catch {
    throw unreachable();
  }
  if (response.ok) return response;
  let answer: Refusal = {};
  try {
    answer = await response.json();
  } catch {
    // a proxy's page, say: the status must do
  }
  if (answer.error === "login_needed") signedOut();
  throw refused(response.status, answer);
}

let signedOut = (): void => {};

/** Say what is done when the server does not know any more who asks. */
export function whenSignedOut(act: () => void): void {
  signedOut = act;
}

async function json<T>(
  method: string,
  path: string,
  body?: unknown,
  init?: RequestInit,
): Promise<T> {
  const response = await request(method, path, body, init);
  if (response.status === 204) return undefined as T;
  try {
    return await response.json();
  } catch {
    throw unreachable(); // cut short, or the page of a hotel's network: it may pass by itself
  }
}

export const get = <T>(path: string): Promise<T> => json<T>("GET", path);
export const post = <T>(path: string, body: unknown = {}, init?: RequestInit): Promise<T> =>
  json<T>("POST", path, body, init);
export const patch = <T>(path: string, body: unknown): Promise<T> => json<T>("PATCH", path, body);
export const put = <T>(path: string, body: unknown): Promise<T> => json<T>("PUT", path, body);
export const del = <T = void>(path: string): Promise<T> => json<T>("DELETE", path);

/** Send a part of a file; `onBytes` is told how much of it has gone out. */
export function sendPart(
  path: string,
  part: Blob,
  onBytes: (bytes: number) => void,
): Promise<void> {
  // Not fetch: it says nothing about how far a body is.
  const request = new XMLHttpRequest();
  request.open("PUT", path);
  request.responseType = "json";
  request.setRequestHeader("x-csrf-token", csrf);
  request.upload.onprogress = ({ loaded }) => onBytes(loaded);
  return new Promise((resolve, reject) => {
    request.onload = () => {
      if (request.status < 400) resolve();
      else reject(refused(request.status, request.response ?? {}));
    };
    request.onerror = () => reject(unreachable());
    request.send(part);
  });
}

const ASK_AGAIN_MS = 1000;

export async function bytes(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  for (;;) {
    const response = await request("GET", path, undefined, { signal });
    if (response.status !== 202) return response.arrayBuffer();
    // It is being made. The wait is the server's: nothing runs there for us meanwhile.
    await new Promise((resolve) => window.setTimeout(resolve, ASK_AGAIN_MS));
  }
}
