// The heart of the lecture: least squares and the mixture density network learn side by side from the same points.

import { button, canvas, choice, code, colour, download, figures, h, pen, slider, status } from "../ui.js";
import { hint } from "../chart.js";
import { axes, cloud, curve, dot, faint, heat, inView, panel, shade, spread } from "./lecture-draw.js";
import { cutPanel } from "./lecture-cut.js";
import { Training } from "./lecture-run.js";

const NEAR = 0.35; // how far apart painted points are along a stroke, and how far the brush scatters them

export function trainPanels(studio, about) {
  const xs = spread(about.across, about.columns);
  const nets = { squares: fresh(), mixture: fresh() };
  let painted = [], trained = false, pressed = 0, seed = 0, epochs = 200, blind = null, pointer = { x: 0, y: 0 };
  function fresh() { return { frame: null, loss: [], epoch: 0 }; }

  const data = choice("Points", [["sine", "the slides: inverse sine"], ["paint", "paint your own"]], { onchange: () => { changedData(); } });
  const own = () => data.value === "paint";
  const points = () => (own() ? painted : about.points);
  const again = () => { if (trained) later(); };
  const components = slider("Components K of the mixture", { min: 1, max: 10, step: 1, value: 5, oninput: again });
  const units = slider("Units in each hidden layer", { min: 2, max: 40, step: 1, value: 15, oninput: again });
  const steps = slider("Epochs: passes over all points", { min: 20, max: 1000, value: 200, log: true, shows: (v) => Math.round(v), oninput: again });
  const rate = slider("Learning rate at the start", { min: 0.0005, max: 0.1, value: 0.01, log: true, shows: (v) => v.toPrecision(2), oninput: again });
  const pace = choice("Pace", [["fast", "as fast as it goes"], ["slow", "slowly, to watch"]], { onchange: again });
  const same = code(""), shell = code("mdn demo --out demo.html", "The same on the command line");
  const go = button("Train", () => train()), halt = button("Stop", () => training.stop(), { class: "quiet", disabled: true });
  const other = button("Other start", () => { seed += 1; train(); }, { class: "quiet", title: "The same networks from other random weights" });
  const clear = button("Clear", () => { painted = []; changedData(); }, { class: "quiet" });
  const csv = download("Save points.csv", "points.csv", () => painted.map((p) => p.join(",")).join("\n"), "text/csv");
  csv.classList.add("quiet");
  const brush = h("p", { class: "buttons", hidden: true }, clear, csv);
  const said = status();
  const shown = { squares: h("span", {}, "–"), mixture: h("span", {}, "–"), blind: h("span", {}, "–") };
  const where = h("p", { class: "faint where" });

  const cut = cutPanel(studio, (x) => { pointer.x = x; redraw(); });

  function picture(name, label, answer) {
    const element = canvas((context, width, height) => {
      const place = element.place = axes(context, width, height, { x: about.across, y: about.up, xlabel: "x, what the network sees", ylabel: "y, what it answers" });
      const { frame } = nets[name];
      if (frame?.heat) heat(context, place, frame.heat, about.columns, about.across, about.up);
      cloud(context, place, points(), own() ? 0.75 : 0.28, own() ? 3.5 : 2);
      if (frame) answer(context, place, frame);
      context.fillStyle = faint("ink", 0.5);
      if (trained || document.activeElement === element) context.fillRect(place.x(pointer.x) - 0.5, place.top, 1, place.bottom - place.top);
      if (own() && document.activeElement === element) dot(context, place.x(pointer.x), place.y(pointer.y), 5, "transparent", colour("orange"));
      if (own() && !painted.length) {
        hint(context, place.left + place.right, place.top + place.bottom, ["Paint points here"]);
      }
    }, { ratio: 0.78, least: 230, most: 900, role: "application", label });
    element.classList.add("painting");
    element.dataset.net = name;
    let last = null;
    const inside = (v, [low, high]) => Math.min(high, Math.max(low, v));
    const at = (p) => [inside(element.place.atX(p.x), about.across), inside(element.place.atY(p.y), about.up)];
    const spray = ([x, y]) => {
      if (last && Math.hypot(x - last[0], y - last[1]) < NEAR) return;
      last = [x, y];
      const near = () => (Math.random() + Math.random() - 1) * 2 * NEAR;
      if (painted.length < about.most) painted.push([+inside(x + near(), about.across).toFixed(3), +inside(y + near(), about.up).toFixed(3)]);
      else studio.note(`The network learns from at most ${about.most} points.`);
      tellData();
      redraw();
    };
    pen(element, {
      begin(p) { last = null; if (own()) spray(at(p)); else look(at(p)); },
      move(p) { if (own()) spray(at(p)); else look(at(p)); },
      end(p) { if (own()) { look(at(p)); if (trained) later(); } },
    });
    element.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-0.5, 0], ArrowRight: [0.5, 0], ArrowUp: [0, 0.5], ArrowDown: [0, -0.5] }[event.key];
      if (by) look([inside(pointer.x + by[0], about.across), inside(pointer.y + by[1], about.up)]);
      else if (own() && (event.key === " " || event.key === "Enter")) { last = null; spray([pointer.x, pointer.y]); again(); }
      else return;
      event.preventDefault();
    });
    element.addEventListener("focus", element.redraw);
    element.addEventListener("blur", element.redraw);
    return element;
  }

  const losses = (name, label, best) => canvas((context, width, height) => {
    const { loss } = nets[name], all = loss.filter((v) => v !== null);
    const goal = best() ?? 0; // before anything is learnt there is room around it
    const high = all.length ? Math.max(...all.slice(0, 400)) : goal + 2, low = Math.min(all.length ? Math.min(...all) : goal, best() ?? Infinity);
    const room = high - low || 1;
    const place = axes(context, width, height, { x: [0, epochs], y: [low - 0.25 * room, high + 0.08 * room] });
    if (best() !== null) {
      curve(context, place, [0, epochs], [best(), best()], { stroke: colour("green"), width: 1.5, dash: [5, 4] });
      context.fillStyle = colour("green");
      context.textAlign = "right";
      context.textBaseline = "top";
      context.fillText("best possible", place.right, place.y(best()) + 3);
    }
    curve(context, place, loss.map((_, i) => i + 1), loss, { stroke: colour(name === "squares" ? "orange" : "blue"), width: 2 });
  }, { ratio: 0.3, least: 110, most: 260, label });

  const left = picture("squares", "Points, and the one curve that least squares answers. Arrow keys choose an x.", (context, place, frame) => {
    curve(context, place, xs, frame.curve, { stroke: colour("orange"), width: 3 });
  });
  const right = picture("mixture", "Points, a heat map of the density of y for each x, and the means of the components. Arrow keys choose an x.", (context, place, frame) => {
    const count = frame.means[0].length;
    for (let k = 0; k < count; k++) {
      context.strokeStyle = context.fillStyle = colour(shade(k));
      context.lineCap = "round";
      for (let i = 0; i + 1 < xs.length; i++) {
        const wide = 0.5 * (frame.weights[i][k] + frame.weights[i + 1][k]);
        if (wide < 0.02) continue;
        context.lineWidth = Math.max(0.6, 7 * wide) * place.u;
        context.beginPath();
        context.moveTo(place.x(xs[i]), place.y(frame.means[i][k]));
        context.lineTo(place.x(xs[i + 1]), place.y(frame.means[i + 1][k]));
        context.stroke();
      }
    }
  });
  const leftLoss = losses("squares", "The mean squared error over the epochs", () => null);
  const rightLoss = losses("mixture", "The negative log-likelihood over the epochs, beside the best possible", () => (own() ? null : about.best));
  const redraw = () => [left, right, leftLoss, rightLoss].forEach((one) => one.redraw());

  function look([x, y]) {
    pointer = { x, y };
    redraw();
    if (trained) cut.at(x);
  }
  function tellData() {
    brush.hidden = !own();
    for (const one of [left, right]) one.style.touchAction = own() ? "none" : "pan-y"; // a finger that cuts still scrolls the page
    element.querySelector(".figures .green").hidden = own();
    where.textContent = own() ? `${painted.length} points painted. Drag on either picture, or move with the arrow keys and press space.` :
      "x = 7 sin(0.75 y) + 0.5 y, and noise: from y to x a function, from x to y not. Click or drag on a picture to cut through it below.";
  }
  function changedData() {
    training.drop();
    Object.assign(nets, { squares: fresh(), mixture: fresh() });
    trained = false;
    for (const one of Object.values(shown)) one.textContent = "–";
    said.show("");
    cut.empty();
    busy(false);
    tellData();
    redraw();
  }
  function busy(now) { halt.disabled = !now; go.textContent = trained ? "Train again" : "Train"; }

  let timer = null;
  function later() { clearTimeout(timer); timer = setTimeout(train, 220); }

  async function train() {
    clearTimeout(timer);
    pressed = performance.now();
    try {
      const now = Math.round(steps.value);
      const answer = await training.begin("lecture.train", { points: own() ? painted : null, components: components.value, units: units.value,
        epochs: now, rate: +rate.value.toPrecision(4), seed, slowly: pace.value === "slow" });
      if (!answer) return;
      for (const net of Object.values(nets)) { net.loss = []; net.epoch = 0; }
      trained = true;
      said.show("Preparing the networks; new sizes are compiled first, which takes some seconds.");
      busy(true);
      epochs = now;
      same.set(answer.code);
      blind = answer.blind;
      shown.blind.textContent = blind.toFixed(3);
    } catch (error) { said.show(""); studio.failed(error); }
  }

  const training = new Training(studio, "train", Object.keys(nets), { frame: (frame) => {
    const net = nets[frame.net];
    net.frame = frame;
    net.loss.push(...frame.loss);
    net.epoch = frame.epoch;
    if (frame.net === "mixture") cut.begin();
    shown[frame.net].textContent = frame.nll === null ? "–" : frame.nll.toFixed(3);
    if (nets.mixture.epoch) said.show(`Epoch ${nets.mixture.epoch} of ${epochs}, ${((performance.now() - pressed) / 1000).toFixed(1)} s.`);
    for (const one of frame.net === "mixture" ? [right, rightLoss] : [left, leftLoss]) one.redraw();
    if (frame.net === "mixture" && inView(cut.element)) cut.at(pointer.x);
  }, ended: (stopped) => {
    busy(false);
    const better = nets.squares.frame && nets.mixture.frame ? nets.squares.frame.nll - nets.mixture.frame.nll : null;
    said.tell(`${stopped ? "Stopped" : "Trained"} after ${((performance.now() - pressed) / 1000).toFixed(1)} s.` +
      (better > 0 ? ` The mixture expected the points ${Math.exp(better).toFixed(1)} times as well: by so much is its density higher at a typical point.` : ""));
    cut.at(pointer.x);
  } });

  const element = panel(4, "A question with several right answers",
    "Two networks see x and learn to answer y. One by least squares: it learns the average of all right answers, which may itself be wrong. The other is a mixture density network: its last layer speaks the weights, means and scales of a mixture.",
    h("div", { class: "studio-bench" },
      h("div", {}, h("p", { class: "buttons" }, go, halt, other), said, h("div", { class: "pair" },
        h("figure", {}, h("figcaption", {}, h("h3", { class: "orange" }, "Least squares"), h("span", { class: "faint" }, "one answer for each x")), left, leftLoss, h("p", { class: "faint small" }, "mean squared error, by epoch")),
        h("figure", {}, h("figcaption", {}, h("h3", { class: "blue" }, "Mixture density network"), h("span", { class: "faint" }, "its density, and its components’ means")), right, rightLoss, h("p", { class: "faint small" }, "negative log-likelihood in nats, by epoch"))),
        figures(["NLL of least squares and its errors’ bell", shown.squares, "orange"], ["NLL of the mixture density network", shown.mixture, "blue"],
          ["best possible on the slides’ points", about.best.toFixed(3), "green"], ["NLL of one bell for all x", shown.blind]),
        h("p", { class: "faint small" }, "The lower, the better. The slides’ networks are scored by 10,000 points that they have not seen; painted points are few, so they score themselves.")),
      h("div", { class: "bench-controls" }, data, where, brush, components, units, steps, rate, pace)),
    same, shell);
  tellData();
  return { elements: [element, cut.element], train,
    leave() { clearTimeout(timer); training.leave(); },
    back() { if (training.begun) train(); } };
}
