// Small pieces that all pages are made of: elements, sliders, choices, notes, canvases that are sharp, pens.

/** An element: attributes (`on…` are listeners, false or null leaves one out, `class`, `data-…`, `aria-…`), then children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A text with a capital at its beginning. */
export const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The bytes of a text in Base64. */
export const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));

/** Has a screen reader say a sentence: how something ended, never what changes all the time. */
export function announce(sentence) { document.getElementById("said").textContent = sentence; }

/** A line about how it goes: `.show(text)` for what changes all the time, `.tell(text)` for what a screen reader says, too. */
export function status(text = "", attributes = { class: "said" }) {
  const element = h("p", attributes, text);
  element.show = (said) => { if (element.textContent !== said) element.textContent = said; };
  element.tell = (said) => { if (element.textContent !== said) { element.textContent = said; announce(said); } };
  return element;
}

/** A list of figures: `[[name, value element or text, class], …]`. */
export function figures(...rows) {
  return h("dl", { class: "figures" }, rows.map(([name, value, mark]) => h("div", { class: mark ?? false }, h("dt", {}, name), h("dd", {}, value))));
}

/** The networks of a server's answer as options of a choice. */
export const options = (networks) => networks.map(({ name, title, own }) => [name, own ? `${title} (your own)` : title]);

let lastId = 0;
const fresh = () => `ui${++lastId}`;

/** A labelled slider; its element has `.value` (a number) and `.set(value)`. `shows(value)` is the text beside it. */
export function slider(label, { min, max, step = "any", value, shows = (v) => +v.toPrecision(3), oninput = () => {}, log = false }) {
  const id = fresh();
  const to = log ? Math.log : (v) => v, from = log ? Math.exp : (v) => v;
  const output = h("output", { for: id });
  const input = h("input", { type: "range", id, min: to(min), max: to(max), step: log ? "any" : step });
  const update = () => { output.textContent = shows(from(+input.value)); input.setAttribute("aria-valuetext", output.textContent); };
  input.value = to(value);
  input.addEventListener("input", () => { update(); oninput(from(+input.value)); });
  update();
  const element = h("div", { class: "field slider" }, h("label", { for: id }, label), output, input);
  Object.defineProperty(element, "value", { get: () => from(+input.value) });
  element.set = (v) => { input.value = to(v); update(); };
  element.input = input;
  return element;
}

/** A labelled choice among `options`, each a text or `[value, text]`; its element has `.value`, `.set` and `.offer(options)`. */
export function choice(label, options, { value, onchange = () => {} } = {}) {
  const id = fresh();
  const select = h("select", { id, onchange: () => onchange(select.value) });
  const element = h("div", { class: "field" }, h("label", { for: id }, label), select);
  element.offer = (all) => {
    const before = select.value;
    select.replaceChildren(...all.map((one) => (Array.isArray(one) ? one : [one, one])).map(([v, text]) => h("option", { value: v }, text)));
    if ([...select.options].some((option) => option.value === before)) select.value = before;
  };
  element.offer(options);
  if (value !== undefined) select.value = value;
  Object.defineProperty(element, "value", { get: () => select.value });
  element.set = (v) => { select.value = v; };
  element.input = select;
  return element;
}

export function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, text);
}

/** A labelled line of text; its element has `.value` and `.set`. */
export function line(label, { value = "", maxlength = 400, placeholder = "", oninput = () => {}, onenter = () => {} } = {}) {
  const id = fresh();
  const input = h("input", { type: "text", id, maxlength, placeholder, autocomplete: "off", spellcheck: "false" });
  input.value = value;
  input.addEventListener("input", () => oninput(input.value));
  input.addEventListener("keydown", (event) => { if (event.key === "Enter") onenter(input.value); });
  const element = h("div", { class: "field wide" }, h("label", { for: id }, label), input);
  Object.defineProperty(element, "value", { get: () => input.value });
  element.set = (v) => { input.value = v; };
  element.input = input;
  return element;
}

/** Code to copy. */
export function code(text, label = "The same in Python") {
  const pre = h("pre", { tabindex: "0" }, text);
  const copy = button("Copy", async () => {
    try { await navigator.clipboard.writeText(pre.textContent); copy.textContent = "Copied"; } catch {
      getSelection().selectAllChildren(pre); copy.textContent = "Selected";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  }, { class: "quiet" });
  const element = h("details", { class: "code" }, h("summary", {}, label), h("div", {}, copy, pre));
  element.set = (said) => { if (pre.textContent !== said) pre.textContent = said; };
  return element;
}

/** A sentence at the foot of the page; errors stay longer. */
export function note(sentence, kind = "") {
  const text = upper(sentence);
  const notes = document.getElementById("notes");
  if (notes.lastElementChild?.firstChild?.textContent === text) return;
  const element = h("div", { class: `note ${kind}` }, h("span", {}, text), button("×", () => element.remove(), { class: "quiet", "aria-label": "Close" }));
  notes.append(element);
  while (notes.children.length > 4) notes.firstElementChild.remove();
  setTimeout(() => element.remove(), kind === "error" ? 15000 : 6000);
}

/** A button that offers a file for download. */
export function download(text, name, make, type = "text/plain") {
  return button(text, async () => save(name, await make(), type));
}

export function save(name, content, type = "text/plain") {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const megabytes = (count) => `${Math.ceil(count / 2 ** 20)} MB`;

/** Sends a file of `most` bytes to the server, telling `progress(share)`; the promise holds the name under which it is kept there. */
export function upload(file, most, progress = () => {}) {
  const safe = file.name.replace(/[^\p{L}\p{N}_ .,()+-]/gu, "_").replace(/^[^\p{L}\p{N}_(]+/u, "").replace(/\.{2,}/g, ".").slice(-100) || "file";
  if (file.size > most) return Promise.reject(new Error(`${file.name} has ${megabytes(file.size)}, and ${megabytes(most)} are the most that the studio takes; use “mdn fit”, which takes more.`));
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far it is
    request.open("POST", `/upload/${encodeURIComponent(safe)}`);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => progress(loaded / total);
    request.onload = () => (request.status === 200 ? resolve(request.response.name) : reject(new Error(request.response?.sentence ?? "the studio did not take the file.")));
    request.onerror = () => reject(new Error("the file did not reach the studio; is it still open?"));
    request.send(file);
  });
}

/**
 * A place to drop a file on, or to choose one; with `several`, any number of them, which are brought in turn.
 *
 * `onfile(file, progress)` may tell the share of the file that was sent, 1 in the end; `done()` is called after the last one.
 * `.accept(endings)` says which files the browser offers.
 */
export function dropzone(text, onfile, { several = false, done = () => {} } = {}) {
  const bar = h("progress", { max: 1, "aria-label": "How much of the file was sent", hidden: true });
  const progress = (share) => { bar.hidden = share >= 1; bar.value = share; };
  const bring = async (files) => {
    for (const file of several ? [...files] : [...files].slice(0, 1)) {
      try { await onfile(file, progress); } finally { progress(1); }
    }
    done();
  };
  const input = h("input", { type: "file", multiple: several, class: "hidden", onchange: () => { bring([...input.files]); input.value = ""; } });
  const zone = h("label", { class: "dropzone" }, h("span", {}, text), bar, input);
  zone.accept = (endings) => { input.accept = endings.join(","); };
  for (const kind of ["dragover", "dragenter"]) zone.addEventListener(kind, (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    bring([...event.dataTransfer.files]);
  });
  return zone;
}

/** The colours of the theme, by the names of the variables of studio.css without their dashes. */
export function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(); }

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const one of document.querySelectorAll("canvas")) one.redraw?.(); });

/** A canvas as wide as its place and sharp on every screen. `draw(context, width, height)` draws it; `.redraw()` asks for that. */
export function canvas(draw, { ratio = 0.6, label = "", least = 120, most = 4000, role = "img" } = {}) {
  const element = h("canvas", { role, "aria-label": label, tabindex: role === "img" ? false : "0" });
  let asked = false;
  const paint = () => {
    asked = false;
    const width = element.clientWidth;
    if (!width) return;
    const height = Math.round(Math.min(most, Math.max(least, width * ratio)));
    const scale = devicePixelRatio || 1;
    element.style.height = `${height}px`;
    if (element.width !== Math.round(width * scale) || element.height !== Math.round(height * scale)) {
      element.width = Math.round(width * scale);
      element.height = Math.round(height * scale);
    }
    const context = element.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, width, height);
  };
  element.redraw = () => { if (!asked) { asked = true; requestAnimationFrame(paint); } };
  new ResizeObserver(element.redraw).observe(element);
  return element;
}

/**
 * Strokes of a mouse, a finger or a pen on an element: `begin`, `move` and `end` get {x, y, pressure, time} in its pixels.
 *
 * A finger does not scroll the page there, unless `touch` ("pan-y") says in which direction it does, or `wants(at)` is false where it
 * comes down.
 */
export function pen(element, { begin = () => {}, move = () => {}, end = () => {}, wants = null, touch = wants ? "manipulation" : "none" }) {
  element.style.touchAction = touch;
  let active = null, last = null; // a cancelled pointer says no place
  const place = (event) => {
    const box = element.getBoundingClientRect();
    return last = { x: event.clientX - box.left, y: event.clientY - box.top, pressure: event.pressure || 0.5, time: event.timeStamp };
  };
  if (wants) {
    element.addEventListener("touchstart", (event) => {
      if (event.touches.length === 1 && event.cancelable && wants(place(event.touches[0]))) event.preventDefault();
    }, { passive: false });
  }
  element.addEventListener("pointerdown", (event) => {
    if (active !== null || event.button || (wants && event.pointerType === "touch" && !wants(place(event)))) return;
    active = event.pointerId;
    try { element.setPointerCapture(active); } catch { /* a pointer that a test made */ }
    event.preventDefault();
    element.focus?.({ preventScroll: true, focusVisible: false });
    begin(place(event), event);
  });
  element.addEventListener("pointermove", (event) => {
    if (event.pointerId !== active) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const one of all.length ? all : [event]) move(place(one), event);
  });
  const done = (event) => { if (event.pointerId === active) { active = null; end(event.type === "pointercancel" ? last : place(event), event); } };
  element.addEventListener("pointerup", done);
  element.addEventListener("pointercancel", done);
}
