// The form that brings a data set in: send files through the browser, or name paths on the machine that runs the studio.
import { forget, placeField, submitFiles } from "./file-places.js";
import { api, el, fill, icon, refresh, studio, toast } from "./studio.js";

/** True while an import is queued or running. */
export const importing = () => studio.jobs.some((job) => job.kind === "import" && job.active);

/** What a person has filled in; kept while the page lives, so that a look at another tab loses nothing. */
const wish = { name: "", named: false, file: { way: "send", file: null, path: "" }, images: { way: "send", file: null, path: "" } };

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

  const submit = (event) => submitFiles(event, {
    parts: [wish.file, wish.images], errors, progress, start,
    missing: { message: "no data file is named", place: "Data file", hint: "Choose a LLaVA JSON or JSONL file, or give its path on this machine." },
    check: () => {
      if (!wish.name.trim())
        throw Object.assign(new Error("the data set needs a name"), { place: "Name", hint: "Any name that isn't taken yet." });
      if (studio.datasets.some((d) => d.name.toLowerCase() === wish.name.trim().toLowerCase()))
        throw Object.assign(new Error(`a data set named “${wish.name.trim()}” is already here`), {
          place: "Name",
          hint: "Choose another name, or delete the old one first.",
        });
    },
    work: async (file, images) => {
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
    },
  });

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
