// The studio's JSON routes.

/** An answer that says no: `message` what happened, `hint` what to do, `place` where, `status` the HTTP number (0: no answer), `body` all it said. */
export class ApiError extends Error {
  constructor(message, { hint = "", place = "", status = 0, body = null } = {}) {
    super(message);
    Object.assign(this, { hint, place, status, body });
  }
}

const PERSON = "align2-person";

/** The name under which this browser's person works; "" where none was given. */
export function personName() {
  try {
    return localStorage.getItem(PERSON) ?? "";
  } catch {
    return "";
  }
}
export function setPersonName(name) {
  try {
    localStorage.setItem(PERSON, name);
  } catch {
    /* storage is off: the name can't be kept */
  }
}

/** Headers of a question: what the body is, and who asks (percent-encoded: a header holds no other letters). */
function headersOf(method, body) {
  const name = method === "GET" ? "" : personName();
  return { ...(body === undefined ? {} : { "content-type": "application/json" }), ...(name ? { "x-align-person": encodeURIComponent(name) } : {}) };
}

async function request(method, path, body, { signal } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      credentials: "same-origin",
      headers: headersOf(method, body),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The studio does not answer.", { hint: "Check that it still runs; work that was started goes on without it." });
  }
  return answer(response.status, await response.text());
}

/** Read an answer: parsed JSON, or an ApiError. */
export function answer(status, text) {
  let parsed = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    /* not JSON: shown as it is below */
  }
  if (status >= 200 && status < 300) return parsed;
  throw new ApiError(parsed?.error ?? (text.slice(0, 300) || `The studio answered ${status}.`), {
    hint: parsed?.hint ?? "",
    place: parsed?.place ?? "",
    status,
    body: parsed,
  });
}

/** Path with its query; null, undefined and "" are left out, lists repeat their name. */
export function url(path, query = {}) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? value : [value])
      if (item !== null && item !== undefined && item !== "") params.append(name, item);
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

export const api = {
  get: (path, query, options) => request("GET", url(path, query), undefined, options),
  post: (path, body = {}, options) => request("POST", path, body, options),
  put: (path, body = {}, options) => request("PUT", path, body, options),
  delete: (path, query, options) => request("DELETE", url(path, query), undefined, options),
};
