// Who is signed in, for any framework: subscribe to changes, read the current value.
// `undefined`: not known yet; `null`: nobody.
export function sessionStore(client) {
  let user;
  const listeners = new Set();
  const set = (next) => {
    user = next;
    for (const listener of listeners) listener();
  };
  client.addEventListener("signed-in", ({ detail }) => set(detail.user));
  client.addEventListener("signed-out", () => set(null));
  client.session({ passive: true }).then((found) => set(found ? found.user : null));
  return {
    getSnapshot: () => user,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
