// What answers mean: that the server is away, or that it does not know any more who asks.

import "./stub_browser";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, get } from "../../../labeling_tool/frontend/src/api";
import { OperationLog } from "../../../labeling_tool/frontend/src/oplog";
import { sendFile } from "../../../labeling_tool/frontend/src/sending";
import { path, person, signIn } from "../../../labeling_tool/frontend/src/session";
import type { Person } from "../../../labeling_tool/frontend/src/types";

function answering(status: number, text: string): void {
  globalThis.fetch = async () => new Response(text, { status });
}

test("a page in place of an answer, as hotels' networks send it, is a server away", async () => {
  answering(200, "<html>Welcome to our hotel</html>");
  await assert.rejects(get("/api/me"), (error) => error instanceof ApiError && error.offline);
  const log = new OperationLog(1, 21, [], 0);
  log.push("paint", { lane: 0, start: 0, end: 1, value: 1 });
  assert.deepEqual([await log.flush(), log.state.value], [false, "offline"]);
});

test("whoever is logged out elsewhere has to log in, but over open work it stays", async () => {
  Object.assign(globalThis, { document: { documentElement: { dataset: {} } } });
  answering(401, '{"error": "login_needed", "message": "Log in."}');
  signIn({ id: 1, created_ms: 1, csrf: "", settings: {} } as unknown as Person);
  path.value = "/work/7";
  await assert.rejects(get("/api/me"));
  assert.equal(person.value?.id, 1);
  path.value = "/people";
  await assert.rejects(get("/api/users"));
  assert.equal(person.value, null);
});

test("a file that cannot be read, or a full disk, is told, and not tried for ever", async () => {
  answering(507, '{"error": "disk", "message": "The server\'s disk is nearly full."}');
  const film = new File(["film"], "film.mp4");
  await assert.rejects(sendFile(1, film, () => {}), /disk is nearly full/);
  await assert.rejects(sendFile(1, new File([], "film.mp4"), () => {}), /film.mp4 cannot be read/);
});
