// A network with a memory moves a hand, step by step: what it expects, as ellipses, and what it draws.

import { hint, unit } from "../chart.js";
import { button, canvas, choice, code, colour, download, figures, h, pen, status } from "../ui.js";
import { dot, faint, panel, shade } from "./lecture-draw.js";
import { Training } from "./lecture-run.js";

const SIZE = 12;

export function walkPanel(studio, about) {
  let shown = about.forks, own = [], drawing = null, path = [[0, 0]], past = [], expected = null, seed = 1, ready = false, playing = false, place = null;
  const same = code(""), shell = code("mdn train robot --letters DHBK --out robot.keras\nmdn generate robot --model robot.keras --out robot.svg", "On the command line, with real demonstrations");
  const said = status("The faint lines are the demonstrations."), stayed = h("span", {}, "–");
  const whose = choice("Demonstrations", [["forks", "made up: a fork"], ["own", "lead the hand yourself"]], { onchange: () => reset() });
  const yours = () => whose.value === "own";

  const picture = canvas((context, width, height) => {
    const wide = yours() && !ready ? SIZE : Math.max(6, ...shown.flat().map(([x]) => Math.abs(x))) * 1.25;
    const ys = shown.flat().map(([, y]) => y), low = yours() && !ready ? -SIZE : Math.min(-1, ...ys), high = yours() && !ready ? SIZE : Math.max(1, ...ys);
    const scale = Math.min(width / (2 * wide), height / (1.12 * (high - low) + 1)), middle = (low + high) / 2;
    const x = (v) => width / 2 + v * scale, y = (v) => height / 2 - (v - middle) * scale;
    place = { atX: (p) => (p - width / 2) / scale, atY: (p) => (height / 2 - p) / scale + middle };
    const line = (points, stroke, wide) => {
      context.strokeStyle = stroke;
      context.lineWidth = wide * unit();
      context.lineCap = context.lineJoin = "round";
      context.beginPath();
      for (const [a, b] of points) context.lineTo(x(a), y(b));
      context.stroke();
    };
    if (!yours() || ready) for (const one of shown) line(one, faint("ink", 0.16), 2);
    else for (const one of own) line(one, faint("ink", 0.45), 2.5);
    if (drawing) line(drawing, colour("orange"), 3);
    for (const one of past) line(one, faint("blue", 0.35), 1.5);
    if (expected) for (const [k, one] of expected.ellipses.entries()) {
      for (const sigma of [2, 1]) {
        context.beginPath();
        context.ellipse(x(one.at[0]), y(one.at[1]), sigma * one.radii[0] * scale, sigma * one.radii[1] * scale, -one.turn, 0, 2 * Math.PI);
        context.fillStyle = faint(shade(k), 0.1 + 0.35 * one.weight);
        context.fill();
        context.strokeStyle = faint(shade(k), Math.sqrt(one.weight));
        context.lineWidth = 1.2 * unit();
        context.stroke();
      }
    }
    if (expected) {
      const [a, b] = expected.average.map((v, i) => (i ? y(v) : x(v)));
      context.strokeStyle = colour("orange");
      context.lineWidth = 2.5;
      context.beginPath();
      context.moveTo(a - 6, b - 6); context.lineTo(a + 6, b + 6); context.moveTo(a - 6, b + 6); context.lineTo(a + 6, b - 6);
      context.stroke();
    }
    if (ready || path.length > 1) line(path, colour("blue"), 3);
    if (ready) for (const [a, b] of path) dot(context, x(a), y(b), 4, colour("blue"), colour("card"));
    if (!yours() || ready) dot(context, x(0), y(0), 6, colour("ink"));
    if (yours() && !ready && !own.length && !drawing) {
      hint(context, width, height, ["Draw two or more", "paths here"]);
    }
  }, { ratio: 0.72, least: 260, most: 760, label: "Demonstrations, the path of the network, and ellipses around the places that it expects next." });
  picture.classList.add("sheet");
  const clip = (v) => Math.max(-SIZE, Math.min(SIZE, +v.toFixed(3)));
  pen(picture, {
    wants: yours,
    begin(at) { if (yours()) { if (ready) { reset(true); return; } drawing = [[clip(place.atX(at.x)), clip(place.atY(at.y))]]; } },
    move(at) { if (drawing) { drawing.push([clip(place.atX(at.x)), clip(place.atY(at.y))]); picture.redraw(); } },
    end() {
      if (drawing?.length > 1) own.push(drawing);
      drawing = null;
      if (yours() && !ready) say(`${own.length} ${own.length === 1 ? "path" : "paths"} drawn. Begin alike and part later: each path is taken from its start.`);
      picture.redraw();
    },
  });
  const say = said.tell;

  function reset(keep = false) {
    training.drop();
    ready = playing = false;
    past = [];
    path = [[0, 0]];
    expected = null;
    if (!keep) own = [];
    if (!yours()) shown = about.forks;
    stayed.textContent = "–";
    files.hidden = !yours();
    say(yours() ? "Draw a few paths that begin alike and then part, such as letters; ten or more are better." : "The faint lines are the demonstrations.");
    buttons();
    picture.redraw();
  }
  function buttons() {
    const over = path.length > about.steps;
    one.disabled = !ready || playing || over;
    play.disabled = !ready || playing;
    fresh.disabled = !ready || playing;
  }
  async function look() {
    if (path.length > about.steps) { expected = null; return; }
    expected = await studio.ask("lecture.walk.step", { path, seed: seed++ });
  }
  async function step() {
    if (!expected) return;
    path = [...path, expected.next];
    await look();
    const ways = expected?.ellipses.length ?? 0;
    (playing ? said.show : say)(expected ? `Step ${path.length - 1} of ${about.steps}: the next place lies in one of ${ways} ${ways === 1 ? "ellipse" : "ellipses"} (one and two standard deviations). The cross is their average.` : "The path is done.");
    buttons();
    picture.redraw();
  }
  async function begin() {
    if (path.length > 1) past = [...past.slice(-11), path];
    path = [[0, 0]];
    await look();
    buttons();
    picture.redraw();
  }
  const careful = (work) => async () => { try { await work(); } catch (error) { playing = false; buttons(); studio.failed(error); } };
  const train = careful(async () => {
    const answer = await training.begin("lecture.walk.train", { paths: yours() ? own : null });
    if (!answer) return;
    ready = playing = false;
    past = [];
    path = [[0, 0]];
    expected = null;
    shown = answer.paths;
    same.set(answer.code);
    say("Preparing the network; the first time it is compiled, which takes some seconds.");
    buttons();
    picture.redraw();
  });
  const go = button("Train", train);
  const one = button("One step", careful(step), { class: "quiet", disabled: true });
  const fresh = button("New path", careful(begin), { class: "quiet", disabled: true });
  const play = button("Play", careful(async () => {
    playing = true;
    buttons();
    await begin();
    while (playing && path.length <= about.steps) { await step(); await new Promise((done) => setTimeout(done, 420)); }
    playing = false;
    buttons();
  }), { class: "quiet", disabled: true });
  const kept = download("Save paths.json", "paths.json", () => JSON.stringify(own), "application/json");
  kept.classList.add("quiet");
  const files = h("p", { class: "buttons", hidden: true }, button("Clear", () => reset(), { class: "quiet" }), kept);
  const training = new Training(studio, "walk", ["walk"], {
    frame(news) {
      said.show(`Epoch ${news.epoch} of ${news.epochs}.`);
      if (news.stayed !== undefined) stayed.textContent = `${(100 * news.stayed).toFixed(0)} %`;
    },
    async ended(stopped) {
      if (stopped) return;
      ready = true;
      say("Trained. One step shows what it expects next; Play lets it walk.");
      await careful(begin)();
    },
  });
  reset();
  return { leave() { playing = false; training.leave(); }, back() { playing = false; if (training.begun) train(); },
    element: panel(8, "And now with a memory: which way next?",
      "A recurrent network reads the moves of a hand and expects the next one: a mixture in the plane. At the fork it sees both ways, draws one of them, and remembers. The average of both, the cross, is no way at all.",
      h("div", { class: "columns" }, picture,
        h("div", {}, h("p", { class: "buttons" }, go, one, play, fresh), said, whose, files, figures(["of 200 paths stay near a demonstration", stayed, "blue"]))), same, shell) };
}
