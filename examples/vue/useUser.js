import { shallowRef } from "vue";
import { SessionClient } from "/static/sessionkeeper/client.js";
import { sessionStore } from "../store.js";

export const client = new SessionClient();
const store = sessionStore(client);
const user = shallowRef(store.getSnapshot());
store.subscribe(() => { user.value = store.getSnapshot(); });

// <script setup> const user = useUser(); </script>
export const useUser = () => user;
