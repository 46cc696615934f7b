// Runs cases through Google's own engine, offline: each line of input a case, each line of output what came of it.
// A case is {steps: [[act, path, value]...], queries: [[path, by, {bound: value}]...]}.
// What came of it is {steps: [[tree]...], queries: [[what was found]...], plain: [tree]}: trees in export format, but for
// plain, and null instead of a list of one where the engine refused.

import { createInterface } from "node:readline";
import { deleteApp, initializeApp } from "@firebase/app";
import * as rtdb from "@firebase/database";

const ACTS = {
  set: (at, value) => rtdb.set(at, value),
  update: (at, value) => rtdb.update(at, value),
  remove: (at) => rtdb.remove(at),
  priority: (at, value) => rtdb.setPriority(at, value),
};
const ORDERS = { $key: rtdb.orderByKey, $value: rtdb.orderByValue, $priority: rtdb.orderByPriority };

// Offline nothing is ever acknowledged, so a write's promise stays open; what is refused is thrown at once.
function look(query) {
  let seen;
  const stop = rtdb.onValue(query, (snapshot) => (seen = snapshot));
  stop();
  return seen;
}

async function run(one, name) {
  const app = initializeApp({ databaseURL: "https://nowhere.firebaseio.com" }, name);
  const database = rtdb.getDatabase(app);
  rtdb.goOffline(database);
  const root = rtdb.ref(database);
  rtdb.set(root, null);
  const told = { steps: [], queries: [] };
  for (const [act, path, value] of one.steps) {
    try {
      ACTS[act](path ? rtdb.child(root, path) : root, value);
      told.steps.push([look(root).exportVal()]);
    } catch (error) {
      told.steps.push(null);
    }
  }
  for (const [path, by, bounds] of one.queries) {
    try {
      const parts = Object.entries(bounds).map(([bound, value]) => rtdb[bound](value));
      const order = by in ORDERS ? ORDERS[by]() : rtdb.orderByChild(by);
      told.queries.push([look(rtdb.query(path ? rtdb.child(root, path) : root, order, ...parts)).exportVal()]);
    } catch (error) {
      told.queries.push(null);
    }
  }
  told.plain = [look(root).val()];
  await deleteApp(app);
  return told;
}

console.warn = () => {};
let count = 0;
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await run(JSON.parse(line), `case ${count++}`)) + "\n");
}
process.exit(0);
