// For server components and route handlers: ask Django who the visitor is.
//   import { headers } from "next/headers";
//   const session = await getSession((await headers()).get("cookie"));
export async function getSession(cookie, api = process.env.DJANGO_API) {
  const answer = await fetch(`${api}session/`, {
    headers: { cookie: cookie ?? "", "x-session-passive": "1" },
    cache: "no-store", // an answer belongs to one visitor
  });
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error(`Django answered ${answer.status}`); // an outage is not a sign-out
  return answer.json();
}
