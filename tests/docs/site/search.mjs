// Ask the site's own search, as a page of the documentation does in a worker: node search.mjs WORKER INDEX QUERY…
// Prints, as JSON, the addresses that each query finds, best first.
import { readFileSync } from "node:fs";
import vm from "node:vm";

const [worker, index, ...queries] = process.argv.slice(2);
const { items, ...rest } = JSON.parse(readFileSync(index, "utf8"));
const filter = {
  input: { type: "operator", data: { operator: "and", operands: [] } },
  aggregation: { input: [{ type: "term", data: { field: "tags" } }] },
};

let answered;
const self = { postMessage: (message) => answered(message) };
vm.runInNewContext(readFileSync(worker, "utf8"), { self, Intl, Date });
const ask = (type, data) =>
  new Promise((done) => {
    answered = done;
    self.onmessage({ data: { type, data: structuredClone(data) } }); // as postMessage() hands it over
  });

await ask(0, { ...rest, items });
const found = {};
for (const input of queries) {
  const { data } = await ask(2, { input, filter });
  found[input] = data.items.map(({ id }) => items[id].location);
}
console.log(JSON.stringify(found));
