import { Problem, SessionClient } from "../sessionkeeper/client.js";

const byId = (id) => document.getElementById(id);

/* ?warn=20&poll=5 shows the warning sooner, and looks at the session more often. */
const asked = new URLSearchParams(location.search);
const client = new SessionClient({
  warnSeconds: Number(asked.get("warn") ?? 60),
  pollSeconds: Number(asked.get("poll") ?? 60),
});

/* Call the API and show what it answered. A request that needs a sign-in or a proof first is held until then. */
async function call(method, path, body) {
  const headers = { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) };
  const response = await client.fetch(path, { method, headers, body: JSON.stringify(body), hold: true });
  const text = await response.text();
  const data = text ? JSON.parse(text) : null;
  say(`${method} ${path}\n${response.status} ${response.statusText}\n${data ? JSON.stringify(data, null, 2) : ""}`);
  return response.ok;
}

function say(text) {
  byId("answer").textContent = text;
}

/* Who is signed in, and the notes. What is typed in the form stays, unless it was typed by somebody else. */
let author = null;

async function refresh() {
  const { user } = client;
  byId("login").hidden = user !== null;
  byId("signed-in").hidden = user === null;
  byId("new-note").hidden = author === null;
  byId("notes").replaceChildren();
  if (user === null) return;
  byId("name").textContent = user.username;
  byId("proof-username").value = user.username; // for password managers
  const notes = await client.json("/api/notes/");
  if (client.user?.id === user.id) byId("notes").replaceChildren(...notes.map(line));
}

function line(note) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const text = document.createElement("span");
  text.textContent = note.text;
  item.append(text, button);
  button.className = "quiet";
  button.textContent = "Delete";
  button.setAttribute("aria-label", `Delete: ${note.text}`);
  button.addEventListener("click", () => run(button, () => call("DELETE", `/api/notes/${note.id}/`)));
  return item;
}

/* Do one thing, and show how things are then. */
async function run(button, action) {
  button.disabled = true;
  try {
    await action();
    await refresh();
  } catch (error) {
    say(error instanceof Problem ? `${error.status} ${error.code}\n${error.message}` : `No answer: ${error.message}`);
  } finally {
    button.disabled = false;
  }
}

function onSubmit(form, action) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(form.querySelector("button"), () => action(Object.fromEntries(new FormData(form))));
  });
}

onSubmit(byId("login"), async (fields) => {
  await client.login(fields);
  byId("login").reset();
  say("");
});
onSubmit(byId("proof"), async ({ password }) => {
  await client.reauthenticate(password);
  byId("proof").reset();
  byId("proof").hidden = true;
});
onSubmit(byId("new-note"), async (fields) => {
  if (await call("POST", "/api/notes/", fields)) byId("new-note").reset();
});
byId("logout").addEventListener("click", () => run(byId("logout"), async () => {
  await client.logout();
  author = null; // left on purpose: nothing is kept
  byId("new-note").reset();
  byId("ended").hidden = true;
}));
byId("others").addEventListener("click", () => run(byId("others"), async () => {
  say(`Other sessions that were ended: ${await client.revokeOthers({ hold: true })}`);
}));
byId("stay").addEventListener("click", () => run(byId("stay"), () => client.staySignedIn()));

/* What happens in this tab, in another one, or on the server. */
client.addEventListener("signed-in", ({ detail: { user } }) => {
  if (author !== null && author !== user.id) byId("new-note").reset();
  author = user.id;
  byId("ended").hidden = true;
  run(byId("logout"), () => null);
});
client.addEventListener("signed-out", () => {
  byId("ended").hidden = false;
  byId("proof").hidden = true;
  say(""); // nothing of what was shown stays, only what was typed
  run(byId("logout"), () => null);
});
client.addEventListener("sign-in-needed", () => {
  byId("ended").hidden = false;
  byId("username").focus();
});
client.addEventListener("reauthenticate-needed", () => {
  byId("proof").hidden = false;
  byId("proof-password").focus();
});

let countdown;
client.addEventListener("idle-warning", ({ detail: { canStay } }) => {
  const tick = () => {
    byId("seconds").textContent = Math.max(0, Math.round((client.endsAt - Date.now()) / 1000));
  };
  tick();
  countdown = setInterval(tick, 1000);
  byId("stay").hidden = !canStay;
  byId("warning").hidden = false;
});
client.addEventListener("idle-cleared", () => {
  clearInterval(countdown);
  byId("warning").hidden = true;
});

run(byId("stay"), () => client.session());
