/* Sessions of django-sessionkeeper for the scripts of a page: docs/howto/javascript.md, types in client.d.ts.

   The session key is in a cookie that no script can read. Here are the user, the times and the CSRF token, in
   memory: nothing is written to localStorage, and what tabs tell each other has no secret in it. */

const SAFE = ["GET", "HEAD", "OPTIONS", "TRACE"];
/* Refusals after which a new CSRF token helps. Nothing was done, so the request may be sent once more. */
const CURED_BY_TOKEN = /^csrf_(cookie_missing|cookie_malformed|token_missing|token_incorrect|failed)$/;
const SOONEST = 1_000; // milliseconds between two looks at the session
const WARNED = 10_000; // the same at most while a warning is shown, and at least when no answer came
const LONGEST = 2 ** 31 - 1; // timers that are longer fire at once
const RACE = 60_000; // answers that overtake each other are not further apart, a clock that was set may be

function withJson(body, { headers, ...init }) {
  if (body === undefined) return { ...init, headers };
  const all = new Headers(headers);
  all.set("Content-Type", "application/json");
  return { method: "POST", ...init, headers: all, body: JSON.stringify(body) };
}

async function membersOf(response) {
  if (!/[/+]json\b/.test(response.headers.get("Content-Type") ?? "")) return {};
  return (await response.clone().json().catch(() => null)) ?? {};
}

/* An answer that is no success, as RFC 9457 has it. */
export class Problem extends Error {
  constructor(status, members = {}, retryAfter = null) {
    super(members.detail || members.title || `The server answered ${status}.`);
    const { code = null, errors = {} } = members;
    Object.assign(this, { name: "Problem", status, code, errors, retryAfter });
  }

  static async from(response) {
    const wait = Number.parseInt(response.headers.get("Retry-After"), 10) || null;
    return new Problem(response.status, await membersOf(response), wait);
  }
}

export class SessionClient extends EventTarget {
  #api;
  #options;
  #channel;
  #listening = new AbortController();
  #timer;
  #token = null;
  #state = null; // {user, session, endsAt, canStay}; null: nobody is signed in, or nobody has asked yet
  #at = -Infinity; // when the state was true
  #lastUser = null; // whose page this is, also after the end of the session
  #warned = false;
  #held = new Set();

  constructor({ api = "/api/auth/", warnSeconds = 60, pollSeconds = 60, csrfHeader = "X-CSRFToken" } = {}) {
    super();
    this.#api = new URL(api.endsWith("/") ? api : `${api}/`, document.baseURI);
    this.#options = { warn: warnSeconds * 1000, poll: (pollSeconds || Infinity) * 1000, csrfHeader };
    this.#channel = new BroadcastChannel(`sessionkeeper:${this.#api}`);
    this.#channel.onmessage = ({ data }) => this.#become(data.state, data.at);
    const { signal } = this.#listening;
    const look = () => this.#state !== null && !document.hidden && this.#look();
    document.addEventListener("visibilitychange", look, { signal });
    addEventListener("pageshow", (event) => event.persisted && this.#look(), { signal });
    addEventListener("online", look, { signal });
  }

  get user() { return this.#state?.user ?? null; }
  get endsAt() { return this.#state && new Date(this.#state.endsAt); }
  get heldRequests() { return this.#held.size; }

  close() {
    this.releaseHeld();
    clearTimeout(this.#timer);
    this.#listening.abort();
    this.#channel.close();
    this.#channel = null;
  }

  /* `fetch` with the session's cookie and, where it is asked for, the CSRF token. `passive`: does not keep the
     session alive. `hold`: a request that is refused because it needs a sign-in or reauthentication is kept, and sent
     again when its user has given it; the promise settles then. */
  async fetch(input, { hold = false, passive = false, ...init } = {}) {
    const request = this.#request(input, init, passive);
    const sender = this.#lastUser;
    for (;;) {
      const response = await this.#send(request);
      const needed = await this.#needed(response);
      if (!needed) {
        if (this.#warned && response.ok && !passive) this.#look();
        return response;
      }
      const again = hold ? this.#hold(request, sender, needed) : false;
      this.#emit(`${needed}-needed`, { held: hold });
      if (!(await again)) return response;
    }
  }

  /* The same with JSON: returns what came back, null for an empty answer, or throws a `Problem`. */
  async json(path, { body, ...options } = {}) {
    const response = await this.fetch(path, withJson(body, options));
    if (!response.ok) throw await Problem.from(response);
    const text = await response.text();
    return text === "" ? null : JSON.parse(text);
  }

  releaseHeld() {
    for (const held of this.#held) held.settle(false);
  }

  async session({ passive = false } = {}) {
    return this.#shown(await this.#ask(passive));
  }

  async login(credentials) {
    return this.#shown(await this.#authenticate("login/", credentials));
  }

  async reauthenticate(password) {
    return this.#shown(await this.#authenticate("reauthenticate/", { password }));
  }

  async logout() {
    await this.#post("logout/", {});
    this.releaseHeld();
    this.#tell(null, Date.now());
  }

  /* Count as used, and return {user, session} with the new times, or null if it was too late. */
  async staySignedIn() {
    await this.#ask(false); // the server writes the use down after it has answered
    return this.#shown(await this.#ask(true));
  }

  /* A page: {results, next}. `next`, if it is not null, asks for the page after it. */
  sessions({ next = null, pageSize = 20, ...options } = {}) {
    const before = next && new URL(next, this.#api).searchParams.get("before");
    const query = new URLSearchParams({ page_size: pageSize, ...(before && { before }) });
    return this.json(this.#path(`sessions/?${query}`), options);
  }

  async revoke(id, options = {}) {
    await this.json(this.#path(`sessions/${encodeURIComponent(id)}/`), { ...options, method: "DELETE" });
    if (id === this.#state?.session.id) this.#tell(null, Date.now());
  }

  async revokeOthers(options = {}) {
    return (await this.json(this.#path("sessions/revoke-others/"), { ...options, body: {} })).revoked;
  }

  async revokeAll(options = {}) {
    const { revoked } = await this.json(this.#path("sessions/revoke-all/"), { ...options, body: {} });
    this.#tell(null, Date.now());
    return revoked;
  }

  /* How requests travel. */
  #path(path) { return new URL(path, this.#api).href; }
  #request(input, init, passive = false) {
    const address = input instanceof Request ? input : new URL(input, this.#api.origin);
    const request = new Request(address, { ...init, credentials: "include" });
    if (new URL(request.url).origin !== this.#api.origin) {
      throw new TypeError(`Not of ${this.#api.origin}: ${request.url}. This client sends nothing elsewhere.`);
    }
    if (passive) request.headers.set("X-Session-Passive", "1");
    return request;
  }

  async #send(request) {
    if (SAFE.includes(request.method)) return fetch(request.clone());
    // To pages of its own origin the server asks for no token, unless the browser is an old one.
    if (this.#token === null && this.#api.origin !== location.origin) await this.#renewToken();
    const response = await this.#sendOnce(request);
    const stale = response.status === 403 && CURED_BY_TOKEN.test((await membersOf(response)).code);
    return stale && (await this.#renewToken()) ? this.#sendOnce(request) : response;
  }

  #sendOnce(request) {
    const copy = request.clone(); // so that the body can be sent again
    if (this.#token !== null) copy.headers.set(this.#options.csrfHeader, this.#token);
    return fetch(copy);
  }

  async #renewToken() {
    const response = await fetch(this.#request(this.#path("csrf/"), {}, true));
    this.#token = response.ok ? (await response.json()).csrf_token : null;
    return response.ok;
  }

  async #post(path, body) {
    const response = await this.#send(this.#request(this.#path(path), withJson(body, {})));
    if (response.ok) return response;
    const problem = await Problem.from(response);
    if (problem.code === "not_authenticated") await this.#ask(true);
    throw problem;
  }

  async #authenticate(path, body) {
    const response = await this.#post(path, body);
    return this.#tell(await this.#read(response), Date.now());
  }

  /* A 401 is believed when the session says so too: a late one must not sign anybody out. */
  async #needed(response) {
    if (response.status === 401) {
      const gone = await this.#ask(true).then((state) => state === null, () => false);
      return gone ? "sign-in" : null;
    }
    const asks = response.status === 403 && (await membersOf(response)).code === "reauthentication_required";
    return asks ? "reauthenticate" : null;
  }

  #hold(request, sender, needed) {
    request.signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const held = { sender, needed, proof: this.#state?.session.authenticated_at };
      const settle = (done, value) => this.#held.delete(held) && done(value);
      held.settle = (again) => settle(resolve, again);
      this.#held.add(held);
      request.signal.addEventListener("abort", () => settle(reject, request.signal.reason), { once: true });
    });
  }

  /* Who is signed in, and until when: in all tabs the same. */
  async #ask(passive) {
    const asked = Date.now();
    const response = await fetch(this.#request(this.#path("session/"), {}, passive));
    if (response.ok) return this.#tell(await this.#read(response), asked);
    const problem = await Problem.from(response); // an answer that nobody reads keeps its connection
    if (response.status !== 401) throw problem;
    return this.#tell(null, asked);
  }

  /* The server's times, by this computer's clock. */
  async #read(response) {
    const { user, session } = await response.json();
    const ahead = Date.now() - Date.parse(response.headers.get("Date"));
    const correction = Math.abs(ahead) > 2_000 ? ahead : 0; // NaN where the header is hidden
    const idle = session.idle_expires_at ? Date.parse(session.idle_expires_at) : Infinity;
    const absolute = Date.parse(session.expires_at);
    return { user, session, endsAt: Math.min(idle, absolute) + correction, canStay: idle < absolute };
  }

  /* The state is what it was `at` that time: what comes later and was asked earlier is dropped. */
  #tell(state, at) {
    if (this.#become(state, at)) this.#channel?.postMessage({ state, at });
    return this.#state;
  }

  #become(next, at) {
    if (at < this.#at && this.#at - at < RACE) return false;
    const before = this.#state;
    const another = before?.user.id !== next?.user.id;
    this.#state = next;
    this.#at = at;
    if (another || before?.session.id !== next?.session.id) this.#token = null; // signing in changes it
    if (next) this.#lastUser = next.user.id;
    this.#warn(next);
    if (another && before) this.#emit("signed-out", { user: before.user });
    if (another && next) this.#emit("signed-in", this.#shown(next));
    if (next) this.#sendHeld(next);
    this.#schedule();
    return true;
  }

  /* Only for the one who sent it: what one person typed is not written in the name of another. */
  #sendHeld({ user, session }) {
    for (const held of this.#held) {
      if (held.sender !== null && held.sender !== user.id) held.settle(false);
      else if (held.needed === "sign-in" || session.authenticated_at !== held.proof) held.settle(true);
    }
  }

  #shown(state) { return state && { user: state.user, session: state.session }; }
  #emit(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  /* A short idle timeout is not warned of before its half. */
  #warnTime({ session }) {
    const { idle_expires_at: end, last_seen_at: start } = session;
    return Math.min(this.#options.warn, end ? (Date.parse(end) - Date.parse(start)) / 2 : Infinity);
  }

  #warn(state) {
    const warned = state !== null && state.endsAt - Date.now() <= this.#warnTime(state);
    if (warned === this.#warned) return;
    this.#warned = warned;
    const detail = warned ? { endsAt: new Date(state.endsAt), canStay: state.canStay } : {};
    this.#emit(warned ? "idle-warning" : "idle-cleared", detail);
  }

  /* Look again when a warning is due, at the end, and now and then while somebody looks at the page. */
  #schedule(soonest = SOONEST) {
    clearTimeout(this.#timer);
    if (this.#state === null || this.#channel === null) return;
    const left = this.#state.endsAt - Date.now();
    const due = this.#warned ? left : left - this.#warnTime(this.#state);
    const poll = document.hidden ? Infinity : Math.min(this.#options.poll, this.#warned ? WARNED : Infinity);
    const delay = Math.max(Math.min(due, poll, LONGEST), soonest);
    this.#timer = setTimeout(() => this.#look(), delay);
  }

  #look() {
    this.#ask(true).catch(() => this.#schedule(WARNED)); // an outage is not a logout
  }
}
