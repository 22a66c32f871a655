// A cut through the heat map: what the network answers for one x.

import { button, canvas, code, colour, figures, h, slider } from "../ui.js";
import { newest } from "../socket.js";
import { axes, curve, dot, faint, panel, shade, spread } from "./lecture-draw.js";

const UP = [-15, 15], two = (v) => v.toFixed(2).replace("-", "−");

export function cutPanel(studio, moved) {
  let seen = null, draws = [], seed = 0, now = 0, top = 0.3, live = false;
  const same = code("");
  const shown = Object.fromEntries(["low", "middle", "high", "mean", "draw", "squares"].map((name) => [name, h("span", {}, "–")]));
  const said = h("p", { class: "faint" }, "Train the networks above first.");
  const x = slider("x", { min: -13.5, max: 13.5, step: 0.1, value: 0, shows: two, oninput: (v) => { moved(v); at(v); } });
  const picture = canvas((context, width, height) => {
    if (seen) top = Math.max(0.2, 1.15 * Math.max(...seen.density));
    const place = axes(context, width, height, { x: UP, y: [0, top], xlabel: "y", ylabel: "density", foot: 44 });
    if (!seen) return;
    const xs = spread(UP, seen.density.length);
    seen.parts.forEach((ys, k) => curve(context, place, xs, ys, { fill: faint(shade(k), 0.14), stroke: colour(shade(k)), width: 1 }));
    curve(context, place, xs, seen.density, { stroke: colour("blue"), width: 2.5 });
    const [a, b, c, d, e] = seen.quantiles.map(place.x), y = place.bottom + 32 * place.u, thin = 4 * place.u;
    context.fillStyle = faint("blue", 0.35);
    context.fillRect(a, y - thin / 2, e - a, thin);
    context.fillStyle = colour("blue");
    context.fillRect(b, y - thin, d - b, 2 * thin);
    dot(context, c, y, 5, colour("card"), colour("blue"));
    if (seen.squares !== null) {
      context.setLineDash([6, 4]);
      context.strokeStyle = colour("orange");
      context.lineWidth = 2 * place.u;
      context.beginPath();
      context.moveTo(place.x(seen.squares), place.top);
      context.lineTo(place.x(seen.squares), place.bottom);
      context.stroke();
      context.setLineDash([]);
    }
    draws.forEach((one, i) => dot(context, place.x(one), place.bottom - 6 * place.u, i === draws.length - 1 ? 6 : 3.5, faint("ink", i === draws.length - 1 ? 0.9 : 0.35)));
  }, { ratio: 0.4, least: 180, most: 420, label: "The density of y for this x with its components, and the answer of least squares as a dashed line." });

  const ask = newest((value, drawing) => studio.ask("lecture.cut", { x: value, seed: drawing ? ++seed : seed }), (found, value, drawing) => {
    if (value !== now) draws = [];
    now = value;
    seen = found;
    if (drawing) { draws.push(found.draw); shown.draw.textContent = two(found.draw); }
    const [a, , c, , e] = found.quantiles;
    shown.low.textContent = two(a);
    shown.middle.textContent = two(c);
    shown.high.textContent = two(e);
    shown.mean.textContent = two(found.mean);
    shown.squares.textContent = found.squares === null ? "–" : two(found.squares);
    said.textContent = `For x = ${two(value)}: 90 of 100 draws lie between ${two(a)} and ${two(e)}. Below the curve: the middle half as a thick bar, these 90 % as a thin one.`;
    same.set(found.code);
    picture.redraw();
  }, () => {});
  /** Shows another x, if there is a network to ask. */
  function at(value) { x.set(value); if (live) ask(value, false); }
  function drawOne() { if (live) ask(x.value, true); else studio.note("nothing is trained yet; press Train first.", "error"); }
  return { at, begin() { live = true; },
    empty() { live = false; ask.drop(); seen = null; draws = []; for (const one of Object.values(shown)) one.textContent = "–"; said.textContent = "Train the networks above first."; picture.redraw(); },
    element: panel(5, "One x, and all that is known of y",
      "A cut through the shaded picture is a density, and a density answers any question: how sure, between what bounds, and what might come.",
      h("div", { class: "columns" }, h("div", {}, picture, said),
        h("div", {}, x, h("p", { class: "buttons" }, button("Draw an answer", drawOne)),
          figures(["5 % below", shown.low], ["median", shown.middle], ["95 % below", shown.high], ["mean", shown.mean], ["a draw", shown.draw], ["least squares", shown.squares, "orange"]))), same) };
}
