// The frame around all pages: the bar, the trainings, notes, and which page is shown.

import { Socket } from "./socket.js";
import { h, note, upload } from "./ui.js";
import { jobsPanel } from "./jobs.js";

const PAGES = [ // name, title, what it is, and its sign: a line on 120 by 48
  ["lecture", "Lecture", "The idea, from one bell curve to a network that draws its own.", "M4 44c24 0 24-32 36-32s12 32 24 32 8-24 20-24 12 24 32 24"],
  ["table", "Table", "Your own table: an honest interval for every row.", "M14 9h58m-38-6v12M38 24h70M84 18v12M26 39h44m-22-6v12"],
  ["draw", "Draw", "Begin a drawing, and the network goes on.", "M40 28a20 18 0 1 0 40 0a20 18 0 1 0-40 0M45 16l1-12 10 7m20 5-2-12-10 7M52 25v2m16-2v2M28 28l15 3m49-3-15 3M57 33l3 3 3-3"],
  ["write", "Write", "Type a line, and it is written by hand.", "M6 34c10-32 20-30 14-6s6 10 12-2 10-8 6 4 8 6 14-6 10-6 6 6 8 4 14-8 8-6 6 4 10 4 28-10"],
  ["play", "Play", "Play a phrase, and hear an answer.", "M8 40c8-4 12-20 22-22m14 14c6-2 10-14 18-18m14-2c6 8 10 20 16 22s10-6 16-14"],
  ["dream", "Dream", "Steer a car in a world that a network dreams.", "M10 44C38 40 28 22 54 20S88 14 94 4M36 44c24-4 16-18 38-20s34-8 38-20"],
];

const socket = new Socket();
const studio = {
  ask: (...a) => socket.ask(...a), tell: (...a) => socket.tell(...a), on: (...a) => socket.on(...a), note, go,
  failed: (error) => note(error.message, "error"), upload: (file, progress) => upload(file, most, progress),
};
const main = document.getElementById("main");
const away = document.getElementById("away");
let shown = null, offered = PAGES.map(([name]) => name), turn = 0, most = Infinity;

socket.onState = (state, back, why) => {
  away.hidden = state === "open";
  away.textContent = state === "open" ? "" : why || "The studio does not answer. This page comes back by itself as soon as it does.";
  document.documentElement.dataset.connected = state === "open";
  if (back) shown ? shown.back?.() : show();
};
studio.on("studio.hello", (hello) => {
  const before = offered.join();
  offered = hello.pages;
  most = hello.upload;
  if (before !== offered.join()) nameHere() ? drawBar() : show();
});
studio.on("error", (message) => note(message.sentence, "error"));
jobsPanel(studio);

function drawBar() {
  const here = nameHere();
  document.getElementById("pages").replaceChildren(...PAGES.filter(([name]) => offered.includes(name)).map(([name, title]) =>
    h("a", { href: `/${name}`, "data-page": name, "aria-current": name === here ? "page" : false }, title)));
}

function nameHere() {
  const name = location.pathname.slice(1);
  return PAGES.some(([one]) => one === name) ? name : "";
}

function go(name) {
  if (name === main.dataset.page && shown) return;
  if (location.pathname !== `/${name}`) history.pushState(null, "", `/${name}`);
  return show();
}

async function show() {
  const name = nameHere(), mine = ++turn;
  drawBar();
  await shown?.leave?.();
  shown = null;
  main.replaceChildren(h("p", { class: "faint" }, "One moment."));
  main.dataset.page = name;
  document.title = name ? `${PAGES.find(([one]) => one === name)[1]} · mdn studio` : "mdn studio";
  try {
    const root = h("div", { class: `page ${name || "home"}` });
    const page = name ? await (await import(`./pages/${name}.js`)).mount(root, studio) : home(root);
    if (mine !== turn) return page?.leave?.();
    shown = page ?? {};
    main.replaceChildren(root);
    if (mine > 1) { main.focus({ preventScroll: true }); scrollTo(0, 0); }
    main.dataset.ready = name || "home";
  } catch (error) {
    if (mine === turn) main.replaceChildren(h("p", { class: "error" }, `This page could not be opened: ${error.message}`), h("p", {}, h("button", { type: "button", onclick: () => location.reload() }, "Try again")));
  }
}

function home(root) {
  root.append(
    h("h1", {}, "One question, several right answers"),
    h("p", { class: "lead" }, "A mixture density network answers with a distribution instead of one number. Six ways to see it at work, all on this machine:"),
    h("div", { class: "cards" }, PAGES.filter(([name]) => offered.includes(name)).map(([name, title, what, line]) =>
      h("a", { class: "card", href: `/${name}`, "data-page": name }, sign(line), h("h2", {}, title), h("p", {}, what)))));
}

function sign(line) {
  const [picture, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  picture.setAttribute("viewBox", "0 0 120 48");
  picture.setAttribute("aria-hidden", "true");
  path.setAttribute("d", line);
  picture.append(path);
  return picture;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-page]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.dataset.page);
});
window.addEventListener("popstate", () => { if (nameHere() !== main.dataset.page) show(); }); // not for #main, where the skip link leads
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault()); // a file beside its place would replace the studio
show();
