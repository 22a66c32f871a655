// Two targets at once: the angles of an arm whose hand one drags.

import { unit } from "../chart.js";
import { button, canvas, code, colour, figures, h, pen, slider, status } from "../ui.js";
import { newest } from "../socket.js";
import { axes, dot, faint, heat, panel } from "./lecture-draw.js";
import { Training } from "./lecture-run.js";

const ACROSS = [-1.45, 1.45], UP = [-0.5, 1.45], SHOULDER = [0, Math.PI], ELBOW = [-2.4, 2.4];

export function armPanel(studio, about) {
  let seen = null, goal = [0.3, 0.9], place = null;
  const same = code(""), said = status();
  const missMixture = h("span", {}, "–"), missSquares = h("span", {}, "–");
  const two = (v) => v.toFixed(2).replace("-", "−");
  const plane = canvas((context, width, height) => {
    const at = axes(context, width, height, { x: SHOULDER, y: ELBOW, xlabel: "shoulder, in radians", ylabel: "elbow" });
    if (!seen?.heat) return;
    heat(context, at, seen.heat, about.cells, SHOULDER, ELBOW);
    for (const [a, b] of seen.angles) dot(context, at.x(a), at.y(b), 2.5, faint("ink", 0.6));
    dot(context, at.x(seen.average[0]), at.y(seen.average[1]), 6, colour("orange"), colour("card"));
  }, { ratio: 0.8, least: 220, most: 700, label: "The density of both angles, with 30 draws, and the answer of least squares in orange." });
  const space = canvas((context, width, height) => {
    const scale = Math.min(width / (ACROSS[1] - ACROSS[0]), height / (UP[1] - UP[0]));
    const x = (v) => width / 2 + v * scale, y = (v) => height - 8 - (v - UP[0]) * scale;
    place = { x, y, atX: (p) => (p - width / 2) / scale, atY: (p) => (height - 8 - p) / scale + UP[0] };
    context.strokeStyle = colour("line");
    context.setLineDash([3, 5]);
    context.beginPath();
    context.arc(x(0), y(0), about.reach * scale, Math.PI, 2 * Math.PI);
    context.stroke();
    context.setLineDash([]);
    const arm = ([elbow, hand], stroke, wide) => {
      context.strokeStyle = stroke;
      context.lineWidth = wide * unit();
      context.lineCap = context.lineJoin = "round";
      context.beginPath();
      context.moveTo(x(0), y(0));
      context.lineTo(x(elbow[0]), y(elbow[1]));
      context.lineTo(x(hand[0]), y(hand[1]));
      context.stroke();
    };
    for (const one of seen?.arms ?? []) arm(one, faint("blue", 0.28), 2.5);
    if (seen?.squares) { arm(seen.squares, colour("orange"), 4); dot(context, x(seen.squares[1][0]), y(seen.squares[1][1]), 4, colour("orange")); }
    dot(context, x(0), y(0), 7, colour("ink"));
    const [gx, gy] = [x(goal[0]), y(goal[1])];
    dot(context, gx, gy, 10, faint("green", 0.35), colour("green"));
    context.strokeStyle = colour("green");
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(gx - 5, gy); context.lineTo(gx + 5, gy); context.moveTo(gx, gy - 5); context.lineTo(gx, gy + 5);
    context.stroke();
  }, { ratio: 0.8, least: 220, most: 700, label: "An arm of two parts in many poses, whose hand should be at the green cross. The sliders move the cross." });
  space.classList.add("grab");
  const show = (found) => {
    seen = found;
    missMixture.textContent = found.misses[0].toFixed(3);
    missSquares.textContent = found.misses[1].toFixed(3);
    plane.redraw();
    space.redraw();
  };
  const ask = newest(() => studio.ask("lecture.arm", { goal }), (found) => {
    same.set(found.code);
    if (found.heat) show(found);
  }, studio.failed);
  const set = (x, y) => {
    goal = [Math.min(1.3, Math.max(-1.3, x)), Math.min(1.3, Math.max(-0.4, y))];
    across.set(goal[0]);
    up.set(goal[1]);
    space.redraw();
    ask();
  };
  const across = slider("The cross, from left to right", { min: -1.3, max: 1.3, step: 0.01, value: goal[0], shows: two, oninput: (v) => set(v, goal[1]) });
  const up = slider("The cross, from below to above", { min: -0.4, max: 1.3, step: 0.01, value: goal[1], shows: two, oninput: (v) => set(goal[0], v) });
  const drag = (at) => set(place.atX(at.x), place.atY(at.y));
  const near = (at) => place !== null && Math.hypot(place.x(goal[0]) - at.x, place.y(goal[1]) - at.y) < 44 * unit();
  pen(space, { begin: drag, move: drag, wants: near });
  const training = new Training(studio, "arm", ["arm"], {
    frame(news) {
      said.show(`${news.of === "squares" ? "Least squares" : "The mixture"}: epoch ${news.epoch} of 200.`);
      if (news.heat) show(news);
    },
    ended(stopped) {
      said.tell(stopped ? "Stopped." : "Trained. Drag the green cross.");
      if (!stopped) ask();
    },
  });
  async function train() {
    said.tell("Preparing the networks; the first time they are compiled, which takes some seconds.");
    try { if (await training.begin("lecture.arm.train")) ask(); } catch (error) { said.show(""); studio.failed(error); }
  }
  const go = button("Train both", train);
  ask();
  return { leave() { training.leave(); }, back() { if (training.begun) train(); else ask(); },
    element: panel(7, "Two answers that belong together",
      "Where must shoulder and elbow be, so that the hand is at the cross? The elbow may bend either way. The average of both ways, in orange, misses; the mixture, whose bells are tilted in the plane of both angles, knows both.",
      h("div", { class: "pair" }, h("figure", {}, h("h3", {}, "The arm: 30 draws"), space), h("figure", {}, h("h3", {}, "Density of both angles"), plane)),
      h("div", { class: "pair tight" }, across, up), h("p", { class: "buttons" }, go), said,
      figures(["the mixture misses the cross by, median of 30 draws", missMixture, "blue"], ["least squares misses it by", missSquares, "orange"]), same) };
}
