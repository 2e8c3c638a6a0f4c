"use strict";

const byId = (id) => document.getElementById(id);
const JSON_PLEASE = { headers: { Accept: "application/json" } };

/* Call the API and show what it answered. Cookies go along by themselves: the page and the API share an origin,
   and the browser says so, which is why there is no CSRF token. */
async function call(method, path, body) {
  const headers = { ...JSON_PLEASE.headers };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body: JSON.stringify(body) });
  const text = await response.text();
  const data = text ? JSON.parse(text) : null;
  byId("answer").textContent = `${method} ${path}\n${response.status} ${response.statusText}\n` +
    (data === null ? "" : JSON.stringify(data, null, 2));
  return { ok: response.ok, data };
}

/* Show the form or the notes, by what the server says about the session. */
async function refresh() {
  const response = await fetch("/api/auth/session/", JSON_PLEASE);
  const notes = response.ok ? await fetch("/api/notes/", JSON_PLEASE) : response;
  const signedIn = notes.ok;
  if (signedIn) {
    byId("name").textContent = (await response.json()).user.username;
    byId("notes").replaceChildren(...(await notes.json()).map(line));
  }
  byId("login").hidden = signedIn;
  byId("signed-in").hidden = !signedIn;
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

/* Do one thing after the other, and show how things are then. */
let queue = Promise.resolve();

function run(button, action) {
  button.disabled = true;
  queue = queue.then(action).then(refresh).catch(noAnswer).finally(() => {
    button.disabled = false;
  });
}

function noAnswer(error) {
  byId("answer").textContent = `No answer: ${error.message}`;
}

function onSubmit(form, action) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(form.querySelector("button"), () => action(Object.fromEntries(new FormData(form))));
  });
}

onSubmit(byId("login"), async (fields) => {
  const { ok } = await call("POST", "/login/", fields);
  if (ok) byId("login").reset();
});
onSubmit(byId("new-note"), async (fields) => {
  const { ok } = await call("POST", "/api/notes/", fields);
  if (ok) byId("new-note").reset();
});
byId("logout").addEventListener("click", () => run(byId("logout"), () => call("POST", "/logout/", {})));

queue = refresh().catch(noAnswer);
