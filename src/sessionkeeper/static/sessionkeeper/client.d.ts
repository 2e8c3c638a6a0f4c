/** Sessions of django-sessionkeeper for the scripts of a page. How to use it: docs/howto/javascript.md. */

export interface User {
  readonly id: number | string;
  readonly username: string;
  readonly email: string;
}

/** One sign-in. Times are RFC 3339 in UTC, by the server's clock. */
export interface Session {
  /** The public name, no secret. */
  readonly id: string;
  readonly current: boolean;
  readonly transport: "cookie" | "bearer";
  readonly label: string;
  readonly created_at: string;
  readonly authenticated_at: string | null;
  readonly last_seen_at: string;
  /** When it ends if nobody uses it; null without an idle timeout. */
  readonly idle_expires_at: string | null;
  readonly expires_at: string;
  /** How the user proved who they are (RFC 8176). */
  readonly amr: readonly string[];
  readonly ip_address: string | null;
  readonly user_agent: string;
  readonly device: string;
}

export interface SignedIn {
  readonly user: User;
  readonly session: Session;
}

export interface SessionPage {
  readonly count: number;
  readonly next: string | null;
  readonly previous: string | null;
  readonly results: readonly Session[];
}

export interface ClientOptions {
  /** Where `sessionkeeper.api.urls` is included; of another origin with its whole address. Default "/api/auth/". */
  api?: string;
  /** How long before the end of the session `idle-warning` comes, in seconds. Default 60; at most half the idle timeout. */
  warnSeconds?: number;
  /** How often a page that is looked at asks whether the session lives, in seconds. Default 60; 0 for never. */
  pollSeconds?: number;
  /** The header that CSRF_HEADER_NAME names. Default "X-CSRFToken". */
  csrfHeader?: string;
}

export interface RequestOptions {
  /** Does not keep the session alive: for what a page asks by itself. Default false. */
  passive?: boolean;
  /** Keep the request when it needs a sign-in or reauthentication, and send it again after that. Default false. */
  hold?: boolean;
}

export interface JsonOptions extends RequestOptions, Omit<RequestInit, "body"> {
  /** Sent as JSON; the method is then POST unless another one is given. */
  body?: unknown;
}

export interface SessionEvents {
  /** Somebody signed in, here or in another tab, or another user did. */
  "signed-in": CustomEvent<SignedIn>;
  /** The session is over: signed out here, in another tab or on another device, or expired. */
  "signed-out": CustomEvent<{ readonly user: User }>;
  /** A request was refused because nobody is signed in. `held`: it waits for the sign-in. */
  "sign-in-needed": CustomEvent<{ readonly held: boolean }>;
  /** A request was refused because the last proof is too old. `held`: it waits for `reauthenticate()`. */
  "reauthenticate-needed": CustomEvent<{ readonly held: boolean }>;
  /** The session ends soon. `canStay`: `staySignedIn()` helps; false at the absolute timeout. */
  "idle-warning": CustomEvent<{ readonly endsAt: Date; readonly canStay: boolean }>;
  /** The warning is over: the session was used, or has ended. */
  "idle-cleared": CustomEvent<Record<string, never>>;
}

/** An answer that is no success (RFC 9457). `message` is its `detail`. */
export class Problem extends Error {
  constructor(status: number, members?: Record<string, unknown>, retryAfter?: number | null);
  readonly status: number;
  /** Stable: see the table of codes in the API reference. Null where the answer has none. */
  readonly code: string | null;
  /** Messages for each field. */
  readonly errors: Readonly<Record<string, readonly string[]>>;
  /** Seconds to wait, of a 429 or 503. */
  readonly retryAfter: number | null;
  static from(response: Response): Promise<Problem>;
}

export class SessionClient extends EventTarget {
  constructor(options?: ClientOptions);

  /** Who is signed in, as far as this page knows. */
  readonly user: User | null;
  /** When the session ends if nobody uses it, by this computer's clock. */
  readonly endsAt: Date | null;
  /** How many requests wait for a sign-in or reauthentication. */
  readonly heldRequests: number;

  /** Who is signed in, asked of the server. */
  session(options?: { passive?: boolean }): Promise<SignedIn | null>;
  /** Throws a `Problem`, for example `invalid_credentials`, `second_factor_required`, `throttled`. */
  login(credentials: { username: string; password: string; remember?: boolean; label?: string }): Promise<SignedIn>;
  logout(): Promise<void>;
  reauthenticate(password: string): Promise<SignedIn>;
  /** Counts as use; null when the session had ended already. */
  staySignedIn(): Promise<SignedIn | null>;

  sessions(options?: RequestOptions & { page?: number; pageSize?: number }): Promise<SessionPage>;
  revoke(id: string, options?: RequestOptions): Promise<void>;
  /** How many were ended. */
  revokeOthers(options?: RequestOptions): Promise<number>;
  revokeAll(options?: RequestOptions): Promise<number>;

  /** Paths are taken from the root of the API's origin; other origins are refused with a TypeError. */
  fetch(input: string | URL | Request, init?: RequestInit & RequestOptions): Promise<Response>;
  /** Throws a `Problem` when the answer is no success; null for an empty one. */
  json<T = unknown>(path: string | URL, options?: JsonOptions): Promise<T>;

  /** Answer those whose requests are held with the refusals that they got. */
  releaseHeld(): void;
  close(): void;

  addEventListener<K extends keyof SessionEvents>(
    type: K,
    listener: (event: SessionEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof SessionEvents>(
    type: K,
    listener: (event: SessionEvents[K]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}
