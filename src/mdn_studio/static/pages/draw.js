// Draw: lift the pen, and eight ghosts go on; take one over, draw with others, keep drawings, train on them.

import { button, canvas, choice, code, colour, h, line, options, save, slider, status, upper } from "../ui.js";
import { unit } from "../chart.js";
import { newest } from "../socket.js";
import { HUES, Sheet, drawLines, fit } from "./draw-sheet.js";
import { keptPanels } from "./draw-kept.js";

const READING = "The network is read; the first time takes a while. You can draw meanwhile.";

export async function mount(root, studio) {
  root.append(h("link", { rel: "stylesheet", href: "/static/pages/draw.css" }));
  const { failed } = studio;
  let about = { latent: true, words: [] }, seed = 1, lifted = 0, open = true, known = false;

  // ---- the sheet and its ghosts
  const said = status("One moment.", { class: "faint said" });
  const sheet = new Sheet(studio, {
    begun: () => { for (const one of thumbs) one.disabled = true; },
    lifted: async (time) => {
      lifted = time;
      try { await sheet.flush(); } catch (error) { return failed(error); }
      ghosts();
    },
    changed: () => { describe(); if (!sheet.drawing && sheet.ghosts.length) forget(); },
  });
  const forget = () => { sheet.ghosts = []; for (const one of thumbs) { one.disabled = true; one.picture.redraw(); } sheet.element.redraw(); };
  const thumbs = Array.from({ length: 8 }, (_, i) => {
    const picture = canvas((context, width, height) => {
      const ghost = sheet.ghosts[i];
      if (!ghost) return;
      const ink = sheet.lines, scale = fit(context, [...ink, ...ghost.lines], width, height);
      context.lineCap = context.lineJoin = "round";
      context.lineWidth = (1.8 * unit()) / scale;
      context.strokeStyle = colour("ink");
      drawLines(context, ink);
      context.strokeStyle = colour(HUES[i % HUES.length]);
      drawLines(context, ghost.lines);
    }, { ratio: 0.75, least: 50, label: "" });
    const element = h("button", {
      type: "button", class: "ghost", disabled: true, "aria-label": `Take ghost ${i + 1} over`, onclick: () => take(i),
      onpointerenter: () => sheet.light(i), onpointerleave: () => sheet.light(-1), onfocus: () => sheet.light(i), onblur: () => sheet.light(-1),
    }, picture);
    element.picture = picture;
    return element;
  });

  const settings = () => ({ network: network.value, component_temperature: bold.value, variance_temperature: tremor.value });
  const askGhosts = newest(async () => {
    const since = lifted, slow = setTimeout(() => { if (open && !sheet.drawing) said.show(READING); }, 700);
    lifted = 0;
    try {
      const answer = await studio.ask("draw.ghosts", { ...settings(), seed, freedom: about.latent ? freedom.value : 0, word: word.value ?? "" });
      return { ...answer, since };
    } finally { clearTimeout(slow); }
  }, (answer) => {
    const { since } = answer;
    if (!open || sheet.drawing) return;
    sheet.ghosts = answer.ghosts;
    sheet.element.redraw();
    thumbs.forEach((one, i) => {
      one.disabled = !answer.ghosts[i]?.lines.length;
      one.setAttribute("aria-label", answer.ghosts[i]?.lines.length ? `Take ghost ${i + 1} over: ${answer.ghosts[i].lines.length} strokes` : `Ghost ${i + 1} thinks that the drawing is done`);
      one.picture.redraw();
    });
    describe(since && Math.round(performance.now() - since));
  }, (error) => { forget(); said.tell(upper(error.message)); });
  function ghosts() { tell(); if (known) askGhosts(); } // a network that draws words needs one of them

  function describe(time = 0) {
    const strokes = sheet.lines.length, going = sheet.ghosts.filter((one) => one.lines.length).length;
    (time ? said.tell : said.show)(sheet.drawing ? "Lift the pen, and the network goes on." :
      !known ? READING : !sheet.ghosts.length ? (strokes ? `${strokes} ${strokes === 1 ? "stroke" : "strokes"} on the sheet.` : "The sheet is empty. Draw a stroke, for instance a circle.") :
      !strokes ? "The sheet is empty, so the network dreams up eight drawings of its own. Draw a stroke, or take one over." :
      going < 8 ? `${going} of eight ghosts go on; the others think that this is done.` : `Eight ways to go on${time && time < 2000 ? `, ${time} ms after you lifted the pen` : ""}. Take one over by a click.`);
  }

  async function take(which) {
    try { sheet.light(-1); await studio.ask("draw.take", { ghost: sheet.ghosts[which].name }); ghosts(); } catch (error) { failed(error); }
  }
  const act = (kind) => async () => { try { await sheet.flush(); await studio.ask(kind); ghosts(); } catch (error) { failed(error); } };
  const undo = act("draw.undo");
  const svg = (what, name) => async () => {
    try { save(name, (await studio.ask("draw.svg", { what })).text, "image/svg+xml"); } catch (error) { failed(error); }
  };

  // ---- the network
  const network = choice("Who goes on", [["quickdraw34", "34 things (Quick, Draw!)"]], { onchange: () => { askGhosts.drop(); meet().then(ghosts); } });
  const word = choice("What it should become", [], { onchange: ghosts });
  const bold = slider("Boldness", { min: 0.1, max: 1.6, step: 0.05, value: 0.5, oninput: ghosts });
  const tremor = slider("Tremor", { min: 0, max: 1.6, step: 0.05, value: 0.4, oninput: ghosts });
  const freedom = slider("Freedom", { min: 0, max: 1, step: 0.05, value: 0.9, oninput: ghosts });
  const explained = h("p", { class: "faint small" }, "Boldness: how often it takes an unlikely turn (component temperature). Tremor: how far a line strays (variance temperature). ");
  const more = h("span", {}, "Freedom: how little it keeps to its summary of your drawing, which says that the drawing is done.");
  explained.append(more);
  const example = code("", "The same in Python");

  async function meet() {
    known = false;
    try { about = await studio.ask("draw.about", { network: network.value }); } catch (error) { return failed(error); }
    freedom.hidden = more.hidden = !about.latent;
    word.hidden = !about.words.length;
    const before = word.value;
    word.offer(about.words);
    if (!before && about.words.includes("cat")) word.set("cat"); // nearly everything that one begins can become one
    known = true;
  }

  function tell() {
    kept.tell();
    if (!known) return;
    const own = network.value.endsWith(".keras"), unit = +about.unit.toPrecision(3), { component_temperature: c, variance_temperature: v } = settings();
    example.set(`from mdn.applications import sketch
from mdn.data import read_drawings
from mdn.drawing.sheets import write_sheet

model = sketch.load(${JSON.stringify(network.value)})
begun = read_drawings("drawings.ndjson")[0]${own ? "" : ` * (${unit}, ${unit}, 1)  # it draws larger than your sheet`}
drawings, ended = sketch.complete(
    model, begun, 8, ${about.words.length ? `label=${JSON.stringify(word.value)}, ` : ""}${about.latent ? `freedom=${freedom.value}, ` : ""}seed=${seed},
    component_temperature=${c}, variance_temperature=${v},
)
write_sheet("ghosts.svg", drawings, given=[len(begun)] * 8)`);
  }

  async function networks() {
    const answer = await studio.ask("draw.networks");
    network.offer(options(answer.networks));
    kept.show(answer);
    return answer;
  }
  const kept = keptPanels(studio, { settings, networks: () => networks().catch(failed) });

  // ---- together
  const place = line("Sheet", { value: firstName(), maxlength: 40, onenter: () => move() });
  const people = h("p", { class: "faint" });
  const alone = (count) => { people.textContent = count > 1 ? `${count} tabs are at this sheet, and all draw on it.` : "You are alone at this sheet. Whoever opens a sheet of this name draws with you, live."; };
  async function move() {
    const name = place.value.trim() || firstName();
    try {
      alone((await sheet.join(name)).people);
      place.set(name);
      localStorage.setItem("draw.sheet", name);
      ghosts();
    } catch (error) { failed(error); }
  }
  const off = studio.on("draw.people", (one) => { if (one.sheet === sheet.name) alone(one.people); });

  // ---- keeping
  const what = line("What is it?", { maxlength: 60, placeholder: "a cat", onenter: () => keep() });
  async function keep() {
    try {
      await sheet.flush();
      kept.show(await studio.ask("draw.keep", { word: what.value.trim() }));
      studio.note("Kept, with your drawings below.");
    } catch (error) { failed(error); }
  }

  root.append(
    h("h1", {}, "Begin a drawing"),
    h("p", { class: "lead" }, "As soon as you lift the pen, a network shows eight ways in which the drawing could go on. None of them is the right one; all are likely."),
    h("div", { class: "columns" },
      h("div", {},
        h("section", { class: "panel", "aria-label": "The sheet" }, h("div", { class: "stage" }, h("div", {}, sheet.element), h("div", { class: "ghosts" }, thumbs)), said,
          h("p", { class: "buttons tools" }, button("Undo", undo, { class: "quiet" }), button("Clear", act("draw.clear"), { class: "quiet" }),
            button("Eight others", () => { seed = Math.floor(1e9 * Math.random()); ghosts(); }), h("span", { class: "gap" }),
            button("Save the drawing", svg("sheet", "drawing.svg"), { class: "quiet" }), button("Save the ghosts", svg("ghosts", "ghosts.svg"), { class: "quiet" }))),
        h("div", { class: "pair" },
          h("section", { class: "panel" }, h("h2", {}, "Keep it"), what, h("p", { class: "buttons" }, button("Keep this drawing", keep))),
          h("section", { class: "panel" }, h("h2", {}, "Draw together"), place, h("p", { class: "buttons" }, button("Go to this sheet", move, { class: "quiet" })), people))),
      h("section", { class: "panel" }, h("h2", {}, "The network"), network, word, bold, tremor, freedom, explained, example)),
    ...kept.panels);

  const keys = (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && !event.target.closest?.("input, textarea")) { event.preventDefault(); undo(); }
  };
  document.addEventListener("keydown", keys);
  const begin = async () => {
    await move();
    try { kept.showJobs((await networks()).jobs); } catch (error) { failed(error); }
    await meet();
    ghosts();
  };
  begin();
  return {
    leave() { open = false; off(); kept.close(); sheet.close(); document.removeEventListener("keydown", keys); studio.tell("draw.leave"); },
    async back() {
      try {
        alone((await sheet.join(sheet.name ?? firstName())).people);
        kept.showJobs((await networks()).jobs);
        if (!known) await meet();
        ghosts();
      } catch (error) { failed(error); }
    },
  };
}

/** The sheet of this browser: one of its own at first. */
function firstName() {
  const known = localStorage.getItem("draw.sheet");
  return known || `sheet ${Math.floor(1e5 + 9e5 * Math.random())}`;
}
