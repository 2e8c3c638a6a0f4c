import { useSyncExternalStore } from "react";
import { SessionClient } from "/static/sessionkeeper/client.js";
import { sessionStore } from "../store.js";

export const client = new SessionClient();
const store = sessionStore(client);

// const user = useUser();  user === undefined ? <Spinner /> : user ? <Home user={user} /> : <SignIn />
export const useUser = () => useSyncExternalStore(store.subscribe, store.getSnapshot);
