// Where files come from, for every form that takes some: dropped or chosen and sent through the browser, or named by a path on the machine that runs
// the studio.
import { answer, api, el, fill, fmt, icon, problem, tell, toast, url } from "./studio.js";

let sending = null;

/** Send one file; progress(sent, size, rate) while it goes. Resolves to {token, name, bytes}. */
function send(file, { progress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const began = performance.now();
    request.open("POST", url("/api/uploads", { name: file.name }));
    request.upload.addEventListener("progress", (e) =>
      progress(e.loaded, file.size, e.loaded / Math.max(0.2, (performance.now() - began) / 1000)),
    );
    request.addEventListener("load", () => {
      try {
        resolve(answer(request.status, request.responseText));
      } catch (error) {
        reject(error);
      }
    });
    request.addEventListener("error", () =>
      reject(new Error(`“${file.name}” could not be sent: the connection broke. Nothing of it was kept.`)),
    );
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** Take a chosen file out again, and its copy in the workspace where it was sent already. */
export function forget(part) {
  if (part.token) api.delete(`/api/uploads/${part.token}`).catch(tell);
  Object.assign(part, { file: null, token: null });
}

async function sendShown(file, node) {
  const bar = el("div", { class: "bar" }, el("div", { class: "bar-fill" }));
  const facts = el("span", { class: "num small-text quiet" });
  node.hidden = false;
  fill(
    node,
    el(
      "div",
      { class: "row apart nowrap" },
      el("span", { class: "clip", text: `Sending ${file.name}` }),
      el("button", { class: "btn small", type: "button", on: { click: () => sending?.abort() } }, icon("stop"), "Stop"),
    ),
    bar,
    facts,
  );
  return send(file, {
    signal: sending.signal,
    progress: (sent, size, rate) => {
      bar.firstChild.style.width = `${(100 * sent) / Math.max(1, size)}%`;
      facts.textContent = `${fmt.bytes(sent)} of ${fmt.bytes(size)} · ${fmt.bytes(rate)}/s · ${fmt.duration((size - sent) / Math.max(1, rate))} left`;
    },
  });
}

/**
 * What a form with files does when it is sent: check, send each file once, then work(…what the studio takes of each part). `parts`: the first must
 * name a file, else `missing` is told. Errors stay in the form; a second try after a refusal doesn't send a file again.
 */
export async function submitFiles(event, { parts, errors, progress, start, missing, check = () => {}, work }) {
  event.preventDefault();
  fill(errors);
  sending = new AbortController();
  start.disabled = true;
  try {
    const [first] = parts;
    if (first.way === "send" ? !first.file : !first.path.trim()) throw Object.assign(new Error(missing.message), missing);
    check();
    const chosen = [];
    for (const part of parts) {
      if (part.way !== "path" && part.file) part.token ??= (await sendShown(part.file, progress)).token;
      chosen.push(part.way === "path" ? { path: part.path } : part.file ? { upload: part.token } : {});
    }
    await work(...chosen);
  } catch (error) {
    for (const part of parts) if (error.status === 404) part.token = null; // swept meanwhile: send it anew
    if (error.name === "AbortError") toast("Sending was stopped; nothing of it was kept.");
    else fill(errors, problem(error));
  } finally {
    sending = null;
    start.disabled = false;
    progress.hidden = true;
  }
}

export function placeField({ part, title, help, accept, drop, pathHint, take, redraw, changed }) {
  const way = (id, text) =>
    el(
      "button",
      {
        type: "button",
        "aria-pressed": String(part.way === id),
        on: {
          click: () => {
            part.way = id;
            redraw();
          },
        },
      },
      text,
    );
  const head = el(
    "div",
    { class: "row apart" },
    el("span", { class: "strong", text: title }),
    el("div", { class: "seg small" }, way("send", "Upload"), way("path", "On this machine")),
  );
  let body;
  if (part.way === "path") {
    const input = el("input", {
      class: "input mono",
      type: "text",
      value: part.path,
      placeholder: pathHint,
      maxLength: 4096,
      spellcheck: false,
      autocapitalize: "off",
      "aria-label": `Path: ${title}`,
      on: {
        input: () => {
          part.path = input.value;
          changed(input.value);
        },
      },
    });
    body = input;
  } else {
    const input = el("input", {
      type: "file",
      accept,
      class: "visually-gone",
      "aria-label": title,
      on: { change: () => take([...input.files]) },
    });
    const zone = el(
      "label",
      {
        class: `drop ${part.file ? "filled" : ""}`,
        on: {
          dragover: (e) => {
            e.preventDefault();
            zone.classList.add("over");
          },
          dragleave: () => zone.classList.remove("over"),
          drop: (e) => {
            e.preventDefault();
            zone.classList.remove("over");
            take([...e.dataTransfer.files]);
          },
        },
      },
      input,
      icon(part.file ? "check" : "upload"),
      part.file
        ? el("span", { class: "clip" }, el("b", { text: part.file.name }), ` · ${fmt.bytes(part.file.size)}`)
        : el("span", { text: drop }),
      part.file
        ? el(
            "button",
            {
              type: "button",
              class: "icon-btn",
              "aria-label": `Take ${part.file.name} out`,
              on: {
                click: (e) => {
                  e.preventDefault();
                  forget(part);
                  redraw();
                },
              },
            },
            icon("close"),
          )
        : null,
    );
    body = zone;
  }
  return el("div", { class: "field" }, head, body, el("span", { class: "help", text: help }));
}

addEventListener("beforeunload", (event) => {
  if (sending) event.preventDefault();
});
addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types?.includes("Files")) event.preventDefault();
});
addEventListener("drop", (event) => {
  if (event.dataTransfer?.files?.length && !event.defaultPrevented) event.preventDefault();
});
