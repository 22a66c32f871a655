// The first three panels: one normal, a mixture to drag, and two hills.

import { button, canvas, code, colour, figures, h, pen, slider, status } from "../ui.js";
import { newest } from "../socket.js";
import { axes, curve, dot, faint, panel, shade, spread } from "./lecture-draw.js";

const REACH = [-10, 10], HILLS = [-14, 17];
const two = (v) => v.toFixed(2).replace("-", "−");

export function normalPanel(studio) {
  let seen = null;
  const said = h("p", { class: "said" });
  const same = code("");
  const loc = slider("Where it is: loc, the mean μ", { min: -6, max: 6, step: 0.05, value: 0, shows: two, oninput: () => ask() });
  const scale = slider("How wide it is: scale, the standard deviation σ", { min: 0.3, max: 4, value: 1, log: true, shows: two, oninput: () => ask() });
  const picture = canvas((context, width, height) => {
    const place = axes(context, width, height, { x: REACH, y: [0, Math.max(0.5, seen ? 1.1 * seen.peak : 0)], xlabel: "y", ylabel: "density" });
    if (!seen) return;
    const xs = spread(REACH, seen.density.length), [low, high] = seen.interval;
    curve(context, place, xs, seen.density, { fill: faint("blue", 0.08) });
    const within = xs.map((v, i) => [v, seen.density[i]]).filter(([v]) => v >= low && v <= high);
    if (within.length > 1) curve(context, place, within.map(([v]) => v), within.map(([, d]) => d), { fill: faint("blue", 0.18) });
    curve(context, place, xs, seen.density, { stroke: colour("blue"), width: 2.5 });
  }, { ratio: 0.42, least: 170, most: 420, label: "The bell curve of a normal density; the sentence below says where it lies." });
  const ask = newest(() => studio.ask("lecture.normal", { loc: loc.value, scale: scale.value }), (found) => {
    seen = found;
    said.textContent = `95 of 100 draws lie between ${two(seen.interval[0])} and ${two(seen.interval[1])}. The peak is ${two(seen.peak)} high${seen.peak > 1 ? ": a density may rise above 1, only its area is 1" : ""}.`;
    same.set(seen.code);
    picture.redraw();
  }, studio.failed);
  ask();
  return { back: ask, element: panel(1, "One answer, and how sure it is",
    "If an answer is a number, “how likely is it?” is a density: likelihood per unit. The normal density, the bell curve, has two parameters.",
    h("div", { class: "columns" }, h("div", {}, picture, said), h("div", {}, loc, scale)), same) };
}

export function mixturePanel(studio) {
  const parts = [{ weight: 0.5, loc: -3.5, scale: 1.2 }, { weight: 0.3, loc: 1, scale: 0.7 }, { weight: 0.2, loc: 5, scale: 1.5 }];
  let seen = null, draws = [], shown = 0, grabbed = null, top = 0.5, place = null, seed = 0;
  const same = code(""), packed = h("code", { class: "packed" }), groups = h("div", { class: "groups" });
  const said = status();
  const peak = (one) => one.weight / (one.scale * Math.sqrt(2 * Math.PI));

  const picture = canvas((context, width, height) => {
    if (!grabbed) top = Math.max(0.35, ...parts.map((one) => 1.25 * peak(one)), seen ? 1.15 * Math.max(...seen.density) : 0);
    place = axes(context, width, height, { x: REACH, y: [0, top], xlabel: "y", ylabel: "density", foot: 44 });
    const xs = seen && spread(REACH, seen.density.length);
    if (shown) {
      const bars = 50, counts = Array(bars).fill(0), wide = (REACH[1] - REACH[0]) / bars;
      for (const y of draws.slice(0, shown)) {
        const bar = Math.floor((y - REACH[0]) / wide);
        if (bar >= 0 && bar < bars) counts[bar] += 1;
        context.fillStyle = faint("ink", 0.45);
        context.fillRect(place.x(y) - 0.5, place.bottom + 26 * place.u, place.u, 12 * place.u);
      }
      context.fillStyle = faint("ink", 0.12);
      counts.forEach((count, i) => {
        const at = place.x(REACH[0] + i * wide), until = place.x(REACH[0] + (i + 1) * wide), y = place.y(count / (draws.length * wide));
        context.fillRect(at, y, until - at - 1, place.bottom - y);
      });
    }
    seen?.parts.forEach((ys, k) => curve(context, place, xs, ys, { stroke: colour(shade(k)), width: 1.5, fill: faint(shade(k), 0.12) }));
    if (seen) curve(context, place, xs, seen.density, { stroke: colour("ink"), width: 2.5 });
    parts.forEach((one, k) => {
      dot(context, place.x(one.loc), place.y(peak(one)), 8, colour(shade(k)), colour("card"));
      dot(context, place.x(one.loc + one.scale), place.y(peak(one) * Math.exp(-0.5)), 5.5, colour("card"), colour(shade(k)));
    });
  }, { ratio: 0.5, least: 220, most: 520, label: "A mixture density with its components. The sliders in three groups move them, too." });
  picture.classList.add("grab");

  /** The handle at a place, or null. */
  function handle(at) {
    const near = [];
    parts.forEach((one, k) => {
      near.push([Math.hypot(place.x(one.loc) - at.x, place.y(peak(one)) - at.y), k, "peak"]);
      near.push([Math.hypot(place.x(one.loc + one.scale) - at.x, place.y(peak(one) * Math.exp(-0.5)) - at.y), k, "width"]);
    });
    const [distance, k, what] = near.sort((a, b) => a[0] - b[0])[0];
    return distance < 44 * place.u ? { k, what } : null;
  }
  pen(picture, {
    wants: (at) => place !== null && handle(at) !== null,
    begin(at) { grabbed = handle(at); },
    move(at) {
      if (!grabbed) return;
      const one = parts[grabbed.k], x = place.atX(at.x);
      if (grabbed.what === "peak") {
        one.loc = Math.min(9.5, Math.max(-9.5, x));
        weigh(grabbed.k, place.atY(at.y) * one.scale * Math.sqrt(2 * Math.PI));
      } else one.scale = Math.min(6, Math.max(0.15, Math.abs(x - one.loc)));
      changed();
    },
    end() { grabbed = null; picture.redraw(); },
  });

  function weigh(k, wanted) {
    if (parts.length === 1) { parts[0].weight = 1; return; }
    const weight = Math.min(0.98, Math.max(0.01, wanted)), others = parts.filter((_, i) => i !== k);
    const rest = others.reduce((sum, one) => sum + one.weight, 0);
    for (const one of others) one.weight *= (1 - weight) / rest;
    parts[k].weight = weight;
  }

  function changed() {
    shown = 0;
    askDraws.drop();
    for (const [k, one] of parts.entries()) for (const name of ["weight", "loc", "scale"]) sliders[name][k].set(one[name]);
    picture.redraw();
    ask();
  }

  let sliders = {};
  function build() {
    const make = (name, k, range) => {
      const field = slider(`${k + 1}`, { ...range, value: parts[k][name], shows: two, oninput: (v) => { if (name === "weight") weigh(k, v); else parts[k][name] = v; changed(); } });
      field.style.setProperty("--own", `var(--${shade(k)})`);
      field.input.setAttribute("aria-label", `${name === "loc" ? "Mean" : name === "scale" ? "Scale" : "Weight"} of component ${k + 1}`);
      return field;
    };
    const ranges = { weight: { min: 0.01, max: 0.98, step: 0.01 }, loc: { min: -9.5, max: 9.5, step: 0.05 }, scale: { min: 0.15, max: 6, log: true } };
    sliders = Object.fromEntries(Object.entries(ranges).map(([name, range]) => [name, parts.map((_, k) => make(name, k, range))]));
    groups.replaceChildren(
      group("weights π", "how often each is chosen; together 1", sliders.weight),
      group("means μ", "where each one is", sliders.loc), group("scales σ", "how wide each one is", sliders.scale));
    more.disabled = parts.length >= 6;
    fewer.disabled = parts.length <= 1;
  }
  const group = (name, what, fields) => h("fieldset", {}, h("legend", {}, name), h("p", { class: "faint" }, what), fields);

  const more = button("Add a component", () => {
    parts.push({ weight: 0.01, loc: [0, -7, 7, 3, -1, 8][parts.length % 6], scale: 1 });
    weigh(parts.length - 1, 1 / parts.length);
    build();
    changed();
  }, { class: "quiet" });
  const fewer = button("Remove the last", () => {
    const gone = parts.pop();
    for (const one of parts) one.weight /= 1 - gone.weight;
    build();
    changed();
  }, { class: "quiet" });
  const askDraws = newest(() => studio.ask("lecture.draws", { ...numbers(), count: 200, seed: seed++ }), (answer) => {
    draws = answer.draws;
    shown = matchMedia("(prefers-reduced-motion: reduce)").matches ? draws.length : 1;
    const grow = () => {
      if (shown && shown < draws.length) { shown = Math.min(draws.length, shown + 5); requestAnimationFrame(grow); }
      picture.redraw();
    };
    grow();
    said.tell("200 draws: for each, a component is chosen by the weights, then a number from its bell. The bars are their histogram.");
  }, studio.failed);
  const draw = button("Draw 200", () => askDraws());

  const numbers = () => ({ weights: parts.map((one) => one.weight), locs: parts.map((one) => one.loc), scales: parts.map((one) => one.scale) });
  const ask = newest(() => studio.ask("lecture.mixture", numbers()), (found) => {
    seen = found;
    const k = parts.length, row = (list) => list.map(two).join(", ");
    packed.replaceChildren(h("span", { class: "part" }, `μ  ${row(seen.params.slice(0, k))}`), h("span", { class: "part" }, `σ  ${row(seen.params.slice(k, 2 * k))}`),
      h("span", { class: "part" }, `logits  ${row(seen.params.slice(2 * k))}`));
    if (!shown) said.textContent = `Mean ${two(seen.mean)}; half of the draws lie below ${two(seen.quantiles[1])}, and 95 of 100 between ${two(seen.quantiles[0])} and ${two(seen.quantiles[2])}.`;
    same.set(seen.code);
    picture.redraw();
  }, studio.failed);
  build();
  ask();
  return { back: ask, element: panel(2, "Several answers at once: a mixture",
    "Add a few bells, each with a weight, and the density may have any shape. Drag a peak to move it and to weigh it; drag the small ring beside it to widen it.",
    h("div", { class: "wide-columns" }, h("div", {}, picture, said, h("p", { class: "buttons" }, draw, more, fewer)), groups),
    h("p", { class: "faint" }, "A network that outputs these numbers outputs the mixture. It says logits, any numbers, and the softmax makes weights of them:"), packed, same) };
}

export function hillsPanel(studio) {
  let one = null, seen = null;
  const same = code(""), said = status();
  const nllOne = h("span", {}, "…"), nll = h("span", {}, "…");
  const picture = canvas((context, width, height) => {
    const place = axes(context, width, height, { x: HILLS, y: [0, 0.125], xlabel: "y", yticks: false });
    if (!seen) return;
    const wide = (HILLS[1] - HILLS[0]) / seen.bars.length, xs = spread(HILLS, seen.density.length);
    context.fillStyle = faint("ink", 0.14);
    seen.bars.forEach((bar, i) => {
      const at = place.x(HILLS[0] + i * wide), until = place.x(HILLS[0] + (i + 1) * wide);
      context.fillRect(at, place.y(bar), until - at - 1, place.bottom - place.y(bar));
    });
    if (one) curve(context, place, xs, one.density, { stroke: colour("orange"), width: 2.5, dash: [6, 4] });
    if (seen.weights.length > 1) {
      seen.parts.forEach((ys) => curve(context, place, xs, ys, { fill: faint("blue", 0.12), stroke: faint("blue", 0.5), width: 1 }));
      curve(context, place, xs, seen.density, { stroke: colour("blue"), width: 2.5 });
    }
  }, { ratio: 0.38, least: 170, most: 420, label: "A histogram with two hills, one normal that peaks between them, and a mixture that follows both." });
  const choices = [1, 2, 3, 4].map((k) => button(k === 1 ? "one normal" : `a mixture of ${k}`, () => fit(k), { class: "quiet", "aria-pressed": "false" }));
  const ask = newest(async (k) => {
    one ??= await studio.ask("lecture.hills", { components: 1 });
    return k === 1 ? one : studio.ask("lecture.hills", { components: k });
  }, (found, k) => {
    seen = found;
    nllOne.textContent = one.nll.toFixed(3);
    nll.textContent = k === 1 ? "–" : seen.nll.toFixed(3);
    said.tell(k === 1 ? "One normal puts its peak where there is next to nothing." :
      `Fitted: weights ${seen.weights.map(two).join(", ")}; means ${seen.means.map(two).join(", ")}; scales ${seen.scales.map(two).join(", ")}.`);
    same.set(seen.code);
    picture.redraw();
  }, (error) => { said.textContent = ""; studio.failed(error); });
  let chosen = 1;
  function fit(k) {
    chosen = k;
    choices.forEach((choice, i) => choice.setAttribute("aria-pressed", String(i + 1 === k)));
    said.textContent = "Fitting…";
    ask.drop();
    ask(k);
  }
  fit(1);
  return { back() { fit(chosen); }, element: panel(3, "Two hills, and the normal that misses both",
    "Half of these 3,000 numbers were drawn around −5, half around 5. The NLL, the negative log-likelihood, scores a density by the data: the lower, the better it expected them.",
    picture, h("p", { class: "buttons" }, choices), said,
    figures(["NLL of one normal, new data", nllOne, "orange"], ["NLL of the mixture, new data", nll, "blue"]), same) };
}
