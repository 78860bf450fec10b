// The form that brings a data set in: send files through the browser, or name paths on the machine that runs the studio.
import { answer, api, el, fill, fmt, icon, problem, refresh, studio, tell, toast, url } from "./studio.js";

/** True while an import is queued or running. */
export const importing = () => studio.jobs.some((job) => job.kind === "import" && job.active);

/** Send one file; progress(sent, size, rate) while it goes. Resolves to {token, name, bytes}. */
export function send(file, { progress, signal }) {
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

/** What a person has filled in; kept while the page lives, so that a look at another tab loses nothing. */
const wish = { name: "", named: false, file: { way: "send", file: null, path: "" }, images: { way: "send", file: null, path: "" } };
let sending = null;

/** Take a chosen file out again, and its copy in the workspace where it was sent already. */
function forget(part) {
  if (part.token) api.delete(`/api/uploads/${part.token}`).catch(tell);
  Object.assign(part, { file: null, token: null });
}

const isArchive = (file) => /\.zip$/i.test(file.name);

/** Draw the form into a node. */
export function importForm(node, { leave }) {
  const errors = el("div", { class: "stack tight" });
  const progress = el("div", { class: "stack tight", hidden: true });
  const name = el("input", {
    class: "input",
    type: "text",
    value: wish.name,
    maxLength: 120,
    placeholder: "for example LLaVA-Instruct 20k",
    on: {
      input: () => {
        wish.name = name.value;
        wish.named = true;
      },
    },
  });
  const start = el("button", { class: "btn primary", type: "submit" }, icon("upload"), "Import");
  const places = el("div", { class: "stack wide" });
  const suggestName = (text) => {
    if (!wish.named && text) {
      wish.name = text.replace(/^.*[/\\]/, "").replace(/\.(jsonl?|txt)$/i, "");
      name.value = wish.name;
    }
  };
  const take = (files) => {
    for (const file of files) {
      const part = isArchive(file) ? wish.images : wish.file;
      part.way = "send";
      forget(part);
      part.file = file;
      if (part === wish.file) suggestName(file.name);
    }
    drawPlaces();
  };
  const drawPlaces = () =>
    fill(
      places,
      placeField({
        part: wish.file,
        title: "Data file",
        help: "LLaVA JSON or JSONL: a list of records with conversations. An answer may be a text or a list of candidates.",
        accept: ".json,.jsonl",
        drop: "Drop the JSON here, or choose it",
        pathHint: "/home/you/llava/llava_instruct_150k.json",
        take,
        redraw: drawPlaces,
        changed: suggestName,
      }),
      placeField({
        part: wish.images,
        title: "Images",
        help: "A zip or a folder with the pictures that the records name. Leave empty for text-only data.",
        accept: ".zip",
        drop: "Drop the zip here, or choose it",
        pathHint: "/home/you/coco/train2017 or …/images.zip",
        take,
        redraw: drawPlaces,
        changed: () => {},
      }),
    );
  drawPlaces();

  async function submit(event) {
    event.preventDefault();
    fill(errors);
    sending = new AbortController();
    start.disabled = true;
    try {
      const chosen = async (part) => {
        if (part.way === "path") return { path: part.path };
        if (!part.file) return {};
        part.token ??= (await sendShown(part.file, progress)).token; // sent once: a second try after a refusal doesn't send it again
        return { upload: part.token };
      };
      if (wish.file.way === "send" ? !wish.file.file : !wish.file.path.trim())
        throw Object.assign(new Error("no data file is named"), {
          place: "Data file",
          hint: "Choose a LLaVA JSON or JSONL file, or give its path on this machine.",
        });
      if (!wish.name.trim())
        throw Object.assign(new Error("the data set needs a name"), { place: "Name", hint: "Any name that isn't taken yet." });
      if (studio.datasets.some((d) => d.name.toLowerCase() === wish.name.trim().toLowerCase()))
        throw Object.assign(new Error(`a data set named “${wish.name.trim()}” is already here`), {
          place: "Name",
          hint: "Choose another name, or delete the old one first.",
        });
      const file = await chosen(wish.file);
      const images = await chosen(wish.images);
      await api.post("/api/imports", { name: wish.name, file, images });
      Object.assign(wish, {
        name: "",
        named: false,
        file: { way: wish.file.way, file: null, path: "" },
        images: { way: wish.images.way, file: null, path: "" },
      });
      toast("The import has started. It goes on when you close this page.");
      await refresh();
      leave();
    } catch (error) {
      for (const part of [wish.file, wish.images]) if (error.status === 404) part.token = null; // swept meanwhile: send it anew
      if (error.name === "AbortError") toast("Sending was stopped; nothing of it was kept.");
      else fill(errors, problem(error));
    } finally {
      sending = null;
      start.disabled = false;
      progress.hidden = true;
    }
  }

  fill(
    node,
    el(
      "div",
      { class: "row apart" },
      el("h1", { text: "Bring data in" }),
      studio.dataset ? el("button", { class: "btn plain", on: { click: leave } }, icon("close"), "Back to the records") : null,
    ),
    el(
      "div",
      { class: "import-grid" },
      el(
        "form",
        { class: "card stack wide", novalidate: true, on: { submit } },
        places,
        el("label", { class: "field" }, el("span", { text: "Name" }), name),
        errors,
        progress,
        el(
          "div",
          { class: "row" },
          start,
          el("span", { class: "quiet small-text", text: "Runs as a job: with progress, and you can stop it." }),
        ),
      ),
      explanation(),
    ),
  );
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

const SAMPLE = `[
 {"id": "33471",
  "image": "coco/33471.jpg",
  "type": "conversation",
  "conversations": [
   {"from": "human",
    "value": "<image>\\nWhat color is it?"},
   {"from": "gpt",
    "value": ["White and red.",
              "The bus is white."]}
  ]}
]`;

function explanation() {
  return el(
    "aside",
    { class: "stack import-help" },
    el("h3", { text: "What is read" }),
    el("pre", { class: "sample mono", text: SAMPLE }),
    el(
      "ul",
      { class: "stack tight small-text quiet" },
      el("li", { text: "type may be missing: it is inferred, and shown as inferred." }),
      el("li", { text: "A list of answers keeps all candidates; the answer scorer picks the best." }),
      el("li", { text: "A row that can't be read is skipped and listed with its place and the way out. The rest comes in." }),
      el("li", { text: "Pictures are matched by path, then by file name; archives are read without unpacking." }),
    ),
  );
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
