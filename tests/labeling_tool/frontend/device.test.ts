// What a browser keeps: whose it is, and what happens where it refuses.

import "./stub_browser";
import assert from "node:assert/strict";
import { test } from "node:test";
import { keptKeys, setOwner } from "../../../labeling_tool/frontend/src/device";
import { leftOver, OperationLog } from "../../../labeling_tool/frontend/src/oplog";

const ADA = { id: 1, created_ms: 1000 };
const ADA_OF_ANOTHER_DATABASE = { id: 1, created_ms: 2000 };

const edit = (log: OperationLog): void =>
  log.push("paint", { lane: 0, start: 0, end: 1, value: 1 });

test("edits wait for the database that they were made in, not for its number at an address", () => {
  setOwner(ADA);
  edit(new OperationLog(1, 7, [], 0)); // its server is gone before it is sent
  setOwner(ADA_OF_ANOTHER_DATABASE);
  assert.deepEqual([leftOver(1), new OperationLog(1, 7, [], 0).pending.value], [[], []]);
  setOwner(ADA);
  assert.deepEqual(leftOver(1), [{ assignment: 7, count: 1 }]);
  assert.equal(new OperationLog(1, 7, [], 0).recovered, 1);
});

test("what a front end of before left is found", () => {
  setOwner(ADA_OF_ANOTHER_DATABASE);
  const operations = [{ id: "old", kind: "paint", payload: {}, client_ms: 0 }];
  const left = JSON.stringify({ client: "c", base_seq: 0, operations });
  localStorage.setItem("vidact.outbox.1.9.c", left);
  const log = new OperationLog(1, 9, [], 0);
  assert.deepEqual([log.recovered, keptKeys("vidact.outbox.1.9.")], [1, []]);
});

test("what cannot be kept under a new name is not thrown away under its old one", () => {
  setOwner(ADA);
  const operations = [{ id: "kept", kind: "paint", payload: {}, client_ms: 0 }];
  const left = JSON.stringify({ client: "c", base_seq: 0, operations });
  localStorage.setItem("vidact.outbox.1.11.c", left);
  const full = Object.create(localStorage, {
    setItem: { value: () => { throw new Error("full"); } },
  });
  const storage = globalThis.localStorage;
  globalThis.localStorage = Object.assign(full, storage);
  const log = new OperationLog(1, 11, [], 0);
  assert.deepEqual([log.recovered, log.keptHere.value], [1, false]);
  assert.equal(keptKeys("vidact.outbox.1.11.").length, 1);
  globalThis.localStorage = storage;
});

test("a browser that refuses storage breaks nothing", () => {
  const storage = globalThis.localStorage;
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get: () => { throw new Error("denied"); },
  });
  const log = new OperationLog(1, 8, [], 0);
  edit(log);
  assert.deepEqual([log.pending.value.length, log.keptHere.value, leftOver(1)], [1, false, []]);
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    writable: true,
    value: storage,
  });
});
